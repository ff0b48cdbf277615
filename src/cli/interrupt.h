#pragma once

namespace engraft::cli {

/// While it lives, the first Ctrl-C (SIGINT, or SIGTERM) only asks to stop and
/// says so on standard error; the second one ends the process at once.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  static bool requested();
};

}  // namespace engraft::cli
