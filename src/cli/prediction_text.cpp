#include "cli/prediction_text.h"

#include <iomanip>
#include <sstream>

#include "cli/text.h"

namespace engraft::cli {
namespace {

std::string text_lines(const Prediction& prediction) {
  std::string out = prediction.path + ":";
  for (const auto& score : prediction.top)
    out += "  " + score.name + " " + percent(score.probability) +
           (score.spread ? " ± " + percent(*score.spread) : "");
  return out + "\n";
}

std::string csv_lines(const Prediction& prediction, bool with_rank) {
  std::ostringstream out;
  int64_t rank = 0;
  for (const auto& score : prediction.top) {
    out << csv_field(prediction.path) << ',';
    if (with_rank) out << ++rank << ',';
    out << csv_field(score.name) << ',' << std::fixed << std::setprecision(6)
        << score.probability;
    if (score.spread)
      out << ',' << *score.spread << ',' << prediction.entropy.value_or(0)
          << ',' << prediction.mutual_information.value_or(0);
    out << '\n';
  }
  return out.str();
}

}  // namespace

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

std::string prediction_header(ListFormat format, int64_t top, bool sampled) {
  if (format != ListFormat::csv) return "";
  return std::string(top > 1 ? "path,rank,class,probability"
                             : "path,class,probability") +
         (sampled ? ",spread,entropy,mutual_information\n" : "\n");
}

std::string prediction_text(const Prediction& prediction, ListFormat format,
                            int64_t top) {
  if (format == ListFormat::jsonl) {
    std::ostringstream out;
    print_json_line(out, to_json(prediction));
    return out.str();
  }
  if (!prediction.error.empty()) return "";
  return format == ListFormat::csv ? csv_lines(prediction, top > 1)
                                   : text_lines(prediction);
}

}  // namespace engraft::cli
