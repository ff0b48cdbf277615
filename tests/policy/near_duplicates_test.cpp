#include "policy/near_duplicates.h"

#include <gtest/gtest.h>

namespace engraft {
namespace {

TEST(CountDistinct, CopiesWithALittleNoiseCountOnce) {
  auto generator = at::detail::createCPUGenerator(1);
  const auto thumbnails = torch::randn({20, 256}, generator);
  const auto features = torch::randn({20, 64}, generator);
  EXPECT_EQ(count_distinct(thumbnails, features), 20);
  const auto noise = [&](const torch::Tensor& x) {
    return x + 0.02 * torch::randn(x.sizes(), generator);
  };
  // Pictures 0 to 4 again, and picture 0 a third time.
  const auto first = thumbnails.slice(0, 0, 5), one = thumbnails.slice(0, 0, 1);
  const auto t = torch::cat({thumbnails, noise(first), noise(one)});
  const auto f = torch::cat({features, noise(features.slice(0, 0, 5)),
                             noise(features.slice(0, 0, 1))});
  EXPECT_EQ(count_distinct(t, f), 20);
  // What looks alike in a thumbnail but not to the model is another picture.
  const auto other = torch::cat({features, torch::randn({6, 64}, generator)});
  EXPECT_EQ(count_distinct(t, other), 26);
}

}  // namespace
}  // namespace engraft
