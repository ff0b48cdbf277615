#include "data/random_rectangle.h"

#include <gtest/gtest.h>

namespace engraft {
namespace {

TEST(RandomRectangle, LiesInsideAndReachesEveryBorder) {
  const cv::Size size(40, 30);
  cv::Rect all;
  for (uint64_t key = 0; key < 300; ++key) {
    ImageRandom random(1, 2, key);
    const auto found = random_rectangle(size, {0.1, 0.5, 2}, random);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ((*found & cv::Rect({}, size)), *found);
    all |= *found;
  }
  EXPECT_EQ(all, cv::Rect({}, size));
}

TEST(RandomRectangle, IsNoneWhereNoDrawFits) {
  ImageRandom random(1, 2, 3);
  EXPECT_FALSE(random_rectangle({100, 2}, {1, 1, 1}, random).has_value());
}

}  // namespace
}  // namespace engraft
