#pragma once

namespace engraft::cli {

/// While it lives, the first Ctrl-C (SIGINT, or SIGTERM) only asks to stop and
/// says so on standard error; the second one ends the process at once. Who
/// reads along may go away (SIGPIPE): the work goes on.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  static bool requested();

 private:
  void (*before_)(int);  ///< what SIGPIPE did
};

}  // namespace engraft::cli
