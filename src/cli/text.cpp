#include "cli/text.h"

#include <algorithm>
#include <cmath>
#include <iostream>

#include "cli/help.h"
#include "digits.h"

namespace engraft::cli {
namespace {

constexpr size_t kHead = 10;  // columns of a paragraph's head

size_t columns(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) {
        return (c & 0xC0) != 0x80;  // UTF-8 continuation bytes take no column
      }));
}

std::string two_digits(int64_t value) {
  return (value < 10 ? "0" : "") + std::to_string(value);
}

}  // namespace

std::string fixed(double value, int digits) { return spelled(value, digits); }

std::string percent(double share) { return fixed(100 * share, 1) + " %"; }

std::string duration(double seconds) {
  if (!(seconds >= 0) || std::isinf(seconds)) return "?";
  if (seconds < 10) return fixed(seconds, 1) + " s";
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600)
    return std::to_string(whole / 60) + " min " + two_digits(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + two_digits(whole % 3600 / 60) +
         " min";
}

std::string counted(int64_t count, const std::string& noun) {
  if (count == 1) return "1 " + noun;
  const bool hisses = noun.size() > 1 && noun.ends_with("s");
  const bool consonant_y =
      noun.ends_with("y") && !noun.ends_with("ey") && !noun.ends_with("ay");
  if (consonant_y)
    return std::to_string(count) + " " + noun.substr(0, noun.size() - 1) +
           "ies";
  return std::to_string(count) + " " + noun + (hisses ? "es" : "s");
}

std::string listed(const std::vector<std::string>& items, size_t limit) {
  std::string out;
  for (size_t i = 0; i < std::min(limit, items.size()); ++i)
    out += (i ? ", " : "") + items[i];
  if (items.size() > limit)
    out += " and " + std::to_string(items.size() - limit) + " more";
  return out;
}

std::string table(const std::vector<std::vector<std::string>>& rows,
                  const std::string& indent) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], columns(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line = indent;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - columns(row[i]), ' ');
      line += (i ? "  " : "") + (i ? space + row[i] : row[i] + space);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string paragraph(const std::string& head, const std::string& text) {
  std::string out = head;
  if (out.size() < kHead) out.resize(kHead, ' ');
  return out + wrap(text, kHead, out.size()) + "\n";
}

void print_json(std::ostream& out, const Json& json) {
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << std::endl;
}

void print_json_line(std::ostream& out, const Json& json) {
  out << json.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
}

void note(const std::string& text) { std::cerr << "note: " << text << '\n'; }

}  // namespace engraft::cli
