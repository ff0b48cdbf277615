#pragma once

#include <string>

namespace engraft {

/// While it lives, what this thread writes to standard error is kept here
/// instead: decoders print warnings there that nobody can act on, and that
/// would tear a progress bar. Other threads write as before. C++ streams
/// everywhere; C streams with glibc, others cannot replace `stderr`.
class QuietStderr {
 public:
  QuietStderr();
  ~QuietStderr();
  QuietStderr(const QuietStderr&) = delete;
  QuietStderr& operator=(const QuietStderr&) = delete;

  /// What was written so far.
  const std::string& text() const;
};

}  // namespace engraft
