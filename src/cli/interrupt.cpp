#include "cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace engraft::cli {
namespace {

std::atomic<bool> g_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

/// Only what a signal handler may do. Both signals fall back to their default
/// action, so that the next one ends the process.
void ask_to_stop(int) {
  g_requested = true;
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  constexpr char kText[] =
      "\nstopping after the step in hand; the best model so far is kept (once "
      "more to end at once)\n";
  [[maybe_unused]] const auto written =
      write(STDERR_FILENO, kText, sizeof kText - 1);
}

}  // namespace

InterruptScope::InterruptScope() : before_(signal(SIGPIPE, SIG_IGN)) {
  g_requested = false;
  struct sigaction action {};
  action.sa_handler = ask_to_stop;
  action.sa_flags = SA_RESTART;
  for (const int signal_number : {SIGINT, SIGTERM}) {
    struct sigaction before {};
    sigaction(signal_number, nullptr, &before);
    // A parent that ignores it (nohup, a background job) is obeyed.
    if (before.sa_handler != SIG_IGN)
      sigaction(signal_number, &action, nullptr);
  }
}

InterruptScope::~InterruptScope() {
  signal(SIGPIPE, before_);
  for (const int signal_number : {SIGINT, SIGTERM}) {
    struct sigaction now {};
    sigaction(signal_number, nullptr, &now);
    if (now.sa_handler == ask_to_stop) signal(signal_number, SIG_DFL);
  }
}

bool InterruptScope::requested() { return g_requested; }

}  // namespace engraft::cli
