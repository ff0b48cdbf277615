#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "engraft/train/search_schedule.h"

namespace engraft {

/// Finished trials in a file of JSON lines, so that a search that was ended,
/// even by a kill, goes on. Its first line says what was searched.
class SearchJournal {
 public:
  /// Reads what is there, or begins the file.
  /// identity  an object; what the trials' results depend on
  /// Throws Error(Fault::usage) that names the differing keys when the file
  /// has another identity, Error(Fault::data) when a line that is not the
  /// last one is damaged, Error(Fault::io) when it cannot be written.
  SearchJournal(std::string path, const Json& identity);

  const std::string& path() const { return path_; }
  /// Those found, and those appended since.
  const std::vector<TrialResult>& results() const { return results_; }
  /// The last line was cut short, and was dropped.
  bool mended() const { return mended_; }

  /// On disk when it returns.
  void append(const TrialResult& result);

 private:
  void read(const Json& identity);
  void write_line(const Json& json);

  std::string path_;
  std::vector<TrialResult> results_;
  bool mended_ = false;
};

}  // namespace engraft
