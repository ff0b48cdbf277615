#include "train/search_journal.h"

#include <filesystem>

namespace engraft {
namespace {

namespace fs = std::filesystem;

/// Keys whose values differ; of objects those within, as "flags: lr".
std::string differences(const Json& a, const Json& b) {
  std::string out;
  const auto add = [&](const std::string& name) {
    out += (out.empty() ? "" : ", ") + name;
  };
  for (const auto& [key, value] : b.items()) {
    const Json other = a.value(key, Json());
    if (other == value) continue;
    if (!value.is_object() || !other.is_object()) {
      add(key);
      continue;
    }
    for (const auto& [name, inner] : value.items())
      if (other.value(name, Json()) != inner) add(key + " (" + name + ")");
    for (const auto& [name, inner] : other.items())
      if (!value.contains(name)) add(key + " (" + name + ")");
  }
  return out;
}

struct Lines {
  std::vector<std::string> whole;
  uintmax_t bytes = 0;  ///< that they take
  bool rest = false;    ///< something without a line end is behind them
};

Lines read_lines(const std::string& path) {
  Lines out;
  std::ifstream in(path, std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    out.rest = in.eof();
    if (out.rest) break;
    out.bytes += line.size() + 1;
    out.whole.push_back(line);
  }
  return out;
}

}  // namespace

SearchJournal::SearchJournal(std::string path, const Json& identity)
    : path_(std::move(path)) {
  read(identity);
}

void SearchJournal::read(const Json& identity) {
  const Lines lines = read_lines(path_);
  mended_ = lines.rest;
  if (lines.rest) fs::resize_file(path_, lines.bytes);
  if (lines.whole.empty()) return write_line({{"search", identity}});
  for (size_t i = 0; i < lines.whole.size(); ++i) {
    try {
      const Json json = Json::parse(lines.whole[i]);
      if (i > 0) {
        results_.push_back(trial_result(json));
        continue;
      }
      const std::string differing = differences(json.at("search"), identity);
      if (!differing.empty())
        fail(Fault::usage, path_, ": holds the trials of another search, with ",
             "other ", differing,
             "; give another --out, or remove the file to start anew");
    } catch (const Json::exception&) {
      fail(Fault::data, path_, ":", i + 1,
           ": is damaged; remove the file to start anew");
    }
  }
}

void SearchJournal::append(const TrialResult& result) {
  write_line(to_json(result));
  results_.push_back(result);
}

void SearchJournal::write_line(const Json& json) {
  std::ofstream out(path_, std::ios::binary | std::ios::app);
  out << json.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n'
      << std::flush;
  if (!out) fail(Fault::io, path_, ": cannot be written");
}

}  // namespace engraft
