#include "engraft/threads.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <sstream>
#include <thread>
#include <vector>

#include "processor_use.h"

namespace engraft {
namespace {

TEST(ProcessorUse, IsWhatWasNotIdleInSeconds) {
  // user nice system idle iowait irq softirq steal guest guest_nice
  std::istringstream stat("cpu  100 20 3 5000 600 7 8 200 50 10\ncpu0 1 2 3\n");
  const auto busy = busy_seconds(stat, 100);
  ASSERT_TRUE(busy);
  // Guests are part of user and nice.
  EXPECT_DOUBLE_EQ(*busy, (100 + 20 + 3 + 7 + 8 + 200) / 100.0);
  for (const char* other : {"", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8"}) {
    std::istringstream none(other);
    EXPECT_FALSE(busy_seconds(none, 100)) << other;
  }
}

TEST(ProcessorUse, OfThisProcessGrowsAsItComputes) {
  const auto before = processor_use();
  ASSERT_TRUE(before);
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
  volatile double sum = 0;
  while (std::chrono::steady_clock::now() < end) sum = sum + 1;
  const auto after = processor_use();
  // At least a quarter of it, however busy the machine is.
  EXPECT_GT(after->own - before->own, 0.05);
  EXPECT_GT(after->all, before->all);
}

TEST(IsCrowded, WhereOthersAndOurThreadsAreMoreThanTheProcessors) {
  // A second in which others used so much.
  const auto others = [](double use, int threads, int processors) {
    return is_crowded({use + 1.5, 1.5}, 1, threads, processors);
  };
  EXPECT_FALSE(others(0, 2, 2));
  EXPECT_FALSE(others(0.2, 2, 2));  // what a quiet machine does
  EXPECT_TRUE(others(0.5, 2, 2));
  EXPECT_FALSE(others(6, 8, 16));
  EXPECT_TRUE(others(9, 8, 16));
  EXPECT_FALSE(others(2, 1, 2)) << "one thread waits for none";
  EXPECT_FALSE(is_crowded({4, 0}, 0, 2, 2)) << "no time has passed";
  // Half a second: the same use is twice as much.
  EXPECT_TRUE(is_crowded({0.3, 0}, 0.5, 2, 2));
}

/// Processes that compute until they are destroyed.
class OtherWork {
 public:
  explicit OtherWork(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      const pid_t child = fork();
      if (child == 0) {
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
  const unsigned cores = std::thread::hardware_concurrency();
  if (at::get_num_threads() < 2) GTEST_SKIP() << "one thread waits for none";
  const OtherWork others(cores);
  const WatchCores watch;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!watch.sharing() && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(watch.sharing());
}

TEST(WatchCores, EndsAtOnce) {
  const auto begin = std::chrono::steady_clock::now();
  { const WatchCores watch; }
  EXPECT_LT(std::chrono::steady_clock::now() - begin,
            std::chrono::milliseconds(400));
}

}  // namespace
}  // namespace engraft
