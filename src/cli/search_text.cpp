#include "cli/search_text.h"

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <sstream>

#include "cli/report_text.h"
#include "cli/text.h"

namespace engraft::cli {
namespace {

std::string value_text(const Json& value) {
  return value.is_null()     ? "auto"
         : value.is_string() ? value.get<std::string>()
                             : value.dump();
}

std::string options_text(const TrialOptions& options) {
  std::string out;
  for (const auto& [name, value] : options.items())
    out += (out.empty() ? "" : ", ") + name + " " + value_text(value);
  return out.empty() ? "the plan's" : out;
}

std::string dimension_text(const SearchDimension& dimension) {
  const Json json = to_json(SearchSpace{dimension}).at(dimension.name);
  if (json.is_string()) return json.get<std::string>();
  std::string out;
  for (const Json& value : json)
    out += (out.empty() ? "" : ", ") + value_text(value);
  return out;
}

std::string winner_text(const SearchResult& result) {
  const TrialResult& winner = *result.winner;
  std::string how = "trial " + std::to_string(winner.number) + " (" +
                    options_text(winner.options) + "): accuracy " +
                    percent(winner.val_accuracy) + ", loss " +
                    fixed(winner.val_loss, 3) + " on the selection part";
  if (!winner.solved)
    how += ", best in epoch " + std::to_string(winner.best_epoch) + " of " +
           std::to_string(winner.epochs);
  if (result.trained)
    how += ". Trained again on all pictures but the test part" +
           (winner.solved ? std::string()
                          : ", for " + counted(winner.best_epoch, "epoch"));
  return paragraph("winner", how);
}

std::string go_on_text(const SearchResult& result) {
  return paragraph(
      "kept", counted(std::ssize(result.trials), "finished training") + " in " +
                  result.journal + ": the same command goes on from them");
}

}  // namespace

std::string search_start_text(const SearchStart& start) {
  const SearchParts& parts = start.parts;
  const auto size = [](const std::vector<Sample>& samples) {
    return std::to_string(samples.size());
  };
  std::string out = paragraph(
      "data", parts.winner.root + ": " +
                  counted(parts.winner.num_classes(), "class") +
                  ". Trials learn from " + size(parts.trials.train) +
                  " pictures and are judged by " + size(parts.trials.val) +
                  "; " + size(parts.winner.test) +
                  " are for the winner's test alone (" + parts.how + ")");
  out += paragraph("space", counted(std::ssize(start.candidates), "candidate"));
  std::vector<std::vector<std::string>> rows;
  for (const SearchDimension& dimension : start.space)
    rows.push_back({dimension.name, dimension_text(dimension)});
  size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row[0].size());
  for (auto& row : rows) {
    row[0].resize(width, ' ');
    out += std::string(10, ' ') + row[0] + "  " + row[1] + "\n";
  }
  if (start.mended)
    out += paragraph("journal", start.journal +
                                    ": its last line was cut short and is "
                                    "dropped");
  if (start.found > 0)
    out += paragraph("going on", counted(start.found, "training") +
                                     " found in " + start.journal);
  return out;
}

std::string trial_header() {
  return "trial  epochs  val loss   val acc        time  options\n";
}

std::string trial_line(const TrialResult& trial) {
  std::ostringstream out;
  out << std::setw(5) << trial.number;
  if (trial.failed.empty())
    out << std::setw(8) << trial.epochs << std::setw(10)
        << fixed(trial.val_loss, 3) << std::setw(10)
        << percent(trial.val_accuracy);
  else
    out << std::setw(28) << "failed";
  out << std::setw(12) << duration(trial.seconds) << "  "
      << options_text(trial.options);
  if (!trial.failed.empty()) out << ": " << trial.failed;
  out << '\n';
  return out.str();
}

std::string trial_table(const std::vector<TrialResult>& trials) {
  std::string out = trial_header();
  for (const TrialResult& trial : trials) out += trial_line(trial);
  return out;
}

std::string search_text(const SearchResult& result) {
  std::string out;
  if (result.out_of_time)
    out += paragraph(
        "time", "is up, with " +
                    counted(std::ssize(result.trials), "finished training") +
                    "; the same command goes on from there");
  if (!result.trials.empty()) out += trial_table(result.trials);
  if (!result.winner) return out + "no trial is finished: nothing is saved\n";
  out += winner_text(result);
  if (result.trained && result.trained->test)
    out += report_text(*result.trained->test);
  if (result.interrupted) out += go_on_text(result);
  out += "command   " + result.command + "\n";
  out += paragraph("",
                   "trains with these options on the parts that train takes "
                   "of DATA: its model is another one than the winner, which "
                   "learned from all pictures but the test part");
  if (!result.trained || result.trained->best_epoch == 0) return out;
  for (const std::string& text : result.trained->notes)
    out += paragraph("note", text);
  std::error_code error;
  const auto bytes = std::filesystem::file_size(result.out, error);
  out += paragraph(
      "saved", result.out + " (" + fixed(static_cast<double>(bytes) / 1e6, 1) +
                   " MB), in " + duration(result.seconds) + " in all");
  return out + "use it    engraft predict " + result.out + " photo.jpg\n";
}

}  // namespace engraft::cli
