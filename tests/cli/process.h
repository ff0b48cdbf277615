#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "support/tiny_images.h"

namespace engraft::test {

/// How a run of the binary ended.
struct Outcome {
  int code = -1;  ///< exit status; 128 + N when signal N ended it
  std::string out, err;
};

/// The built binary as a process of its own.
class Process {
 public:
  /// memory_kib  address space that it may take, in KiB; 0: no limit.
  explicit Process(const std::vector<std::string>& arguments,
                   const std::string& input = "", long memory_kib = 0);
  void send(int signal) const;
  /// Waits until `text` is on standard error; false after `seconds`.
  bool says(const std::string& text, double seconds) const;
  Outcome wait();

 private:
  TempFolder folder_;
  pid_t pid_ = -1;
};

/// Runs it with `input` on standard input until it ends.
Outcome run_engraft(const std::vector<std::string>& arguments,
                    const std::string& input = "");

/// It ends with 2, prints nothing but the error, and that has `expected`.
void expect_usage_error(const std::vector<std::string>& arguments,
                        const std::string& expected);

}  // namespace engraft::test
