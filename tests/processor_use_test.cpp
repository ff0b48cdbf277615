#include "processor_use.h"

#include <gtest/gtest.h>

#include <sstream>

#include "stopwatch.h"

namespace engraft {
namespace {

TEST(ProcessorUse, IsWhatWasNotIdleInSeconds) {
  // user nice system idle iowait irq softirq steal guest guest_nice
  const std::string text =
      "cpu  1000 0 0 0 0 0 0 0 0 0\n"
      "cpu0 100 20 3 5000 600 7 8 200 50 10\n"
      "cpu1 1 2 3 4 5 6 7 8 0 0\n"
      "cpu10 10 0 0 4 5 0 0 0 0 0\n"
      "intr 1 2 3\n";
  const auto busy = [](const std::string& stat, const std::vector<int>& which) {
    std::istringstream in(stat);
    return busy_seconds(in, which, 100);
  };
  // Guests are part of user and nice.
  EXPECT_DOUBLE_EQ(*busy(text, {0}), 3.38);
  EXPECT_DOUBLE_EQ(*busy(text, {1}), 0.27);
  EXPECT_DOUBLE_EQ(*busy(text, {0, 10}), 3.48);
  EXPECT_FALSE(busy(text, {2})) << "is not there";
  EXPECT_FALSE(busy(text, {}));
  EXPECT_FALSE(busy("", {0}));
  EXPECT_FALSE(busy("cpu0 1 2 3", {0})) << "too short";
  EXPECT_FALSE(busy("cpu0 0 0 0 9 0 0 0 0", {0})) << "it says nothing";
}

TEST(ProcessorUse, OfThisProcessGrowsAsItComputes) {
  const auto processors = own_processors();
  ASSERT_FALSE(processors.empty());
  const auto before = processor_use(processors);
  if (!before) GTEST_SKIP() << "no /proc/stat";
  const Stopwatch watch;
  volatile double sum = 0;
  while (watch.seconds() < 0.2) sum = sum + 1;
  const auto after = processor_use(processors);
  ASSERT_TRUE(after);
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
  EXPECT_FALSE(others(0.9, 64, 64));
  EXPECT_TRUE(others(1.5, 64, 64));
  EXPECT_FALSE(others(6, 8, 16));
  EXPECT_TRUE(others(9.5, 8, 16));
  EXPECT_FALSE(others(2, 1, 2)) << "one thread waits for none";
  EXPECT_FALSE(is_crowded({4, 0}, 0, 2, 2)) << "no time has passed";
  // Half a second: the same use is twice as much.
  EXPECT_TRUE(is_crowded({0.3, 0}, 0.5, 2, 2));
}

}  // namespace
}  // namespace engraft
