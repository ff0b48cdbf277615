#include "policy/near_duplicates.h"

#include <gtest/gtest.h>

namespace engraft {
namespace {

/// Groups of pictures in the order of the first of each.
int64_t count(const torch::Tensor& groups) {
  return groups.max().item<int64_t>() + 1;
}

TEST(GroupNearDuplicates, CopiesWithALittleNoiseCountOnce) {
  auto generator = at::detail::createCPUGenerator(1);
  const auto thumbnails = torch::randn({20, 256}, generator);
  const auto features = torch::randn({20, 64}, generator);
  EXPECT_TRUE(
      group_near_duplicates(thumbnails, features).equal(torch::arange(20)));
  const auto noise = [&](const torch::Tensor& x) {
    return x + 0.02 * torch::randn(x.sizes(), generator);
  };
  // Pictures 0 to 4 again, and picture 0 a third time.
  const auto first = thumbnails.slice(0, 0, 5), one = thumbnails.slice(0, 0, 1);
  const auto t = torch::cat({thumbnails, noise(first), noise(one)});
  const auto f = torch::cat({features, noise(features.slice(0, 0, 5)),
                             noise(features.slice(0, 0, 1))});
  EXPECT_TRUE(group_near_duplicates(t, f).equal(
      torch::cat({torch::arange(20), torch::arange(5), torch::zeros(1)})
          .to(torch::kLong)));
  // What looks alike in a thumbnail but not to the model is another picture.
  const auto other = torch::cat({features, torch::randn({6, 64}, generator)});
  EXPECT_EQ(count(group_near_duplicates(t, other)), 26);
}

TEST(EstimateGroups, GoesByWhatWasSeenOnceAndTwice) {
  const auto groups = torch::tensor({0, 0, 1, 2}, torch::kLong);
  EXPECT_EQ(estimate_groups(groups, 4), 3);
  // 3 + 2^2 / (2 * 1 * 4 / 3 + 2 * 4 / 4)
  EXPECT_NEAR(estimate_groups(groups, 8), 3 + 4 / (8 / 3.0 + 2), 1e-9);
  EXPECT_NEAR(estimate_groups(torch::arange(10), 100), 100, 1e-9);
  EXPECT_EQ(estimate_groups(torch::empty({0}, torch::kLong), 0), 0);
}

TEST(EstimateGroups, FindsHowManyThereAre) {
  // A thousand scenes of ten frames, of which a thousand frames are drawn.
  auto generator = at::detail::createCPUGenerator(1);
  const auto scenes = torch::randperm(10000, generator).slice(0, 0, 1000) / 10;
  EXPECT_NEAR(estimate_groups(scenes.floor().to(torch::kLong), 10000), 1000,
              100);
}

}  // namespace
}  // namespace engraft
