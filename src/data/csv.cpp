#include "data/csv.h"

#include "data/bytes.h"
#include "engraft/error.h"

namespace engraft {
namespace {

class Reader {
 public:
  Reader(const std::string& path, std::string text)
      : path_(path), text_(std::move(text)) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }

  std::vector<CsvRow> rows() {
    std::vector<CsvRow> rows;
    while (at_ < text_.size()) {
      CsvRow row{.line = line_, .fields = {}};
      do row.fields.push_back(field());
      while (take(','));
      take('\r');
      if (!take('\n') && at_ < text_.size())
        fail(Fault::data, path_, ":", line_, ": text after a closing quote");
      ++line_;
      if (row.fields.size() > 1 || !row.fields[0].empty())
        rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void skip_blanks() {
    while (take(' ') || take('\t')) {
    }
  }

  std::string field() {
    skip_blanks();
    if (!take('"')) return plain_field();
    const int64_t start = line_;
    std::string out;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"' && at_ + 1 < text_.size() &&
          text_[at_ + 1] == '"') {
        ++at_;
      } else if (take('"')) {
        skip_blanks();
        return out;
      }
      if (text_[at_] == '\n') ++line_;
      out += text_[at_];
    }
    fail(Fault::data, path_, ":", start, ": a quote is never closed");
  }

  std::string plain_field() {
    const size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
    std::string out = text_.substr(at_, end - at_);
    at_ = end;
    const size_t last = out.find_last_not_of(" \t\r");
    out.resize(last == std::string::npos ? 0 : last + 1);
    return out;
  }

  const std::string& path_;
  const std::string text_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

}  // namespace

std::vector<CsvRow> read_csv(const std::string& path) try {
  const std::vector<uint8_t> bytes = read_bytes(path);
  return Reader(path, std::string(bytes.begin(), bytes.end())).rows();
} catch (const Error& error) {
  const std::string what = error.what();
  if (what.starts_with(path)) throw;
  fail(Fault::data, path, ": ", what);
}

}  // namespace engraft
