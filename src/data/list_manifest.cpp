#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "data/csv.h"
#include "data/listing.h"
#include "engraft/error.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;

/// Positions of the columns; -1 where there is none.
struct Columns {
  int64_t path = 0, label = 1, split = 2;
  bool has_header = false;
};

Columns read_header(const CsvRow& row) {
  std::map<std::string, int64_t> at;
  for (size_t i = 0; i < row.fields.size(); ++i) {
    std::string name = row.fields[i];
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    at.emplace(name, static_cast<int64_t>(i));
  }
  if (!at.count("path") || !at.count("label")) return {};
  return {at["path"], at["label"], at.count("split") ? at["split"] : -1, true};
}

class ManifestReader {
 public:
  ManifestReader(const std::string& path, DataUse use)
      : path_(path), use_(use) {}

  Listing read() {
    const std::vector<CsvRow> rows = read_csv(path_);
    if (!rows.empty()) columns_ = read_header(rows.front());
    for (size_t i = columns_.has_header ? 1 : 0; i < rows.size(); ++i)
      add(rows[i]);
    if (!complaints_.empty()) fail(Fault::data, complaints_);
    finish();
    return std::move(listing_);
  }

 private:
  template <typename... Parts>
  void complain(const CsvRow& row, const Parts&... parts) {
    std::ostringstream line;
    line << (complaints_.empty() ? "" : "\n") << path_ << ":" << row.line
         << ": ";
    (line << ... << parts);
    complaints_ += line.str();
  }

  std::string field(const CsvRow& row, int64_t column) const {
    const bool there =
        column >= 0 && column < static_cast<int64_t>(row.fields.size());
    return there ? row.fields[static_cast<size_t>(column)] : std::string();
  }

  void add(const CsvRow& row) {
    const std::string path = field(row, columns_.path);
    const std::string label = field(row, columns_.label);
    const std::string split = field(row, columns_.split);
    if (row.fields.size() < 2 ||
        (!columns_.has_header && row.fields.size() > 3))
      return complain(row, row.fields.size(), " fields; a line is ",
                      "path,label or path,label,split (put a field that has ",
                      "a comma in quotes)");
    if (path.empty()) return complain(row, "the path is empty");
    if (label.empty()) return complain(row, "the label is empty");
    const Side side = side_named(split);
    if (!split.empty() && side == Side::undecided)
      return complain(row, "split '", split, "' is not train, val or test");
    const fs::path full = fs::path(path_).parent_path() / path;
    std::error_code code;
    if (!fs::is_regular_file(full, code))
      return complain(
          row, full.string(),
          fs::exists(full, code) ? ": is not a file" : ": no such file");
    const auto [seen, is_new] =
        lines_.emplace(full.lexically_normal().string(), row.line);
    if (!is_new)
      return complain(row, path, " is on line ", seen->second, " already");
    (split.empty() ? unsplit_ : split_) = row.line;
    listing_.entries.push_back({full.string(), label, side, {}});
  }

  void finish() {
    if (listing_.entries.empty())
      fail(Fault::data, path_, ": names no picture; a line is path,label or ",
           "path,label,split");
    if (unsplit_ && split_)
      fail(Fault::data, path_, ":", unsplit_, ": has no split, but line ",
           split_, " has: give all lines one, or none");
    const bool has_val =
        std::ranges::count(listing_.entries, Side::val, &Entry::side) > 0;
    std::set<std::string> classes;
    for (Entry& entry : listing_.entries) {
      if (gives_class(entry.side, use_)) classes.insert(entry.label);
      if (entry.side == Side::train && !has_val) entry.side = Side::undecided;
    }
    for (const Entry& entry : listing_.entries)
      if (!classes.count(entry.label))
        fail(Fault::data, path_, ":",
             lines_.at(fs::path(entry.path).lexically_normal().string()),
             ": label '", entry.label, "' has no picture in train");
    listing_.classes.assign(classes.begin(), classes.end());
  }

  const std::string& path_;
  const DataUse use_;
  Columns columns_;
  Listing listing_;
  std::string complaints_;
  std::map<std::string, int64_t> lines_;  // of each picture
  int64_t unsplit_ = 0, split_ = 0;       // lines; 0 for none
};

}  // namespace

Listing list_manifest(const std::string& path, DataUse use) {
  return ManifestReader(path, use).read();
}

}  // namespace engraft
