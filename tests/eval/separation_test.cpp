#include "engraft/eval/separation.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace engraft {
namespace {

/// By its definition: over all pairs of a wrong and a right picture.
double over_all_pairs(const torch::Tensor& uncertainty,
                      const torch::Tensor& right) {
  double above = 0, pairs = 0;
  for (int64_t i = 0; i < right.size(0); ++i)
    for (int64_t j = 0; j < right.size(0); ++j) {
      if (right[i].item<bool>() || !right[j].item<bool>()) continue;
      const double a = uncertainty[i].item<double>();
      const double b = uncertainty[j].item<double>();
      above += a > b ? 1 : a == b ? 0.5 : 0;
      ++pairs;
    }
  return above / pairs;
}

TEST(Separation, IsTheShareOfPairsInOrder) {
  torch::manual_seed(4);
  for (const int64_t levels : {3, 1000}) {  // with and without many ties
    const auto uncertainty =
        torch::randint(levels, {40}).to(torch::kFloat64) / levels;
    const auto right = torch::rand({40}) < 0.7;
    const Separation seen = separation("spread", uncertainty, right);
    EXPECT_EQ(seen.measure, "spread");
    EXPECT_NEAR(seen.auroc.value(), over_all_pairs(uncertainty, right), 1e-12);
  }
}

TEST(Separation, HasTheMeansOfBothSides) {
  const auto uncertainty = torch::tensor({0.1, 0.2, 0.6, 0.8}, torch::kFloat64);
  const auto right = torch::tensor({true, true, false, false});
  const Separation seen = separation("entropy", uncertainty, right);
  EXPECT_NEAR(seen.right.value(), 0.15, 1e-12);
  EXPECT_NEAR(seen.wrong.value(), 0.7, 1e-12);
  EXPECT_EQ(seen.auroc.value(), 1);
  EXPECT_EQ(separation("", uncertainty, right.logical_not()).auroc.value(), 0);
}

TEST(Separation, OfOneSideAloneSaysNothing) {
  const auto uncertainty = torch::tensor({0.1, 0.2}, torch::kFloat64);
  const Separation seen =
      separation("spread", uncertainty, torch::tensor({true, true}));
  EXPECT_TRUE(seen.right.has_value());
  EXPECT_FALSE(seen.wrong.has_value());
  EXPECT_FALSE(seen.auroc.has_value());
  const Json json = to_json(seen);
  EXPECT_TRUE(json["wrong"].is_null());
  EXPECT_TRUE(json["auroc"].is_null());
}

}  // namespace
}  // namespace engraft
