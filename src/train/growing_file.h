#pragma once

#include <fstream>
#include <string>
#include <string_view>

namespace engraft {

/// A file that grows record by record. Each goes to the system at once and in
/// one piece, so that a process that is killed leaves whole records. All of it
/// throws Error(Fault::io) with path and reason.
class GrowingFile {
 public:
  /// Starts it anew.
  explicit GrowingFile(const std::string& path);
  void append(std::string_view record);
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::ofstream out_;
};

/// Throws Error(Fault::io) that says what to do about curves at `path`.
[[noreturn]] void refuse_curves(const std::string& path,
                                const std::string& reason);

}  // namespace engraft
