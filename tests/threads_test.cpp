#include "engraft/threads.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "processor_use.h"
#include "stopwatch.h"

namespace engraft {
namespace {

/// Processes that compute until they are destroyed.
class OtherWork {
 public:
  explicit OtherWork(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const pid_t child = fork();
      if (child < 0) break;
      if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(60);  // not for ever, whatever happens to the test
        for (volatile int on = 1; on != 0;) {
        }
      }
      children_.push_back(child);
    }
  }
  ~OtherWork() {
    for (const pid_t child : children_) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
  }
  OtherWork(const OtherWork&) = delete;
  OtherWork& operator=(const OtherWork&) = delete;

 private:
  std::vector<pid_t> children_;
};

TEST(WatchCores, SharesThemWithOtherProcesses) {
  if (at::get_num_threads() < 2) GTEST_SKIP() << "one thread waits for none";
  const auto processors = own_processors();
  if (!processor_use(processors)) GTEST_SKIP() << "no /proc/stat";
  const OtherWork others(processors.size());
  const WatchCores watch;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!watch.sharing() && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(watch.sharing());
}

TEST(WatchCores, EndsAtOnce) {
  // It looks twice a second, and is not waited for. Others may want the cores.
  double best = 1;
  for (int i = 0; i < 5; ++i) {
    const Stopwatch watch;
    { const WatchCores cores; }
    best = std::min(best, watch.seconds());
  }
  EXPECT_LT(best, 0.25);
}

}  // namespace
}  // namespace engraft
