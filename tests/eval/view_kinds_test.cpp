#include "eval/view_kinds.h"

#include <gtest/gtest.h>

namespace engraft {
namespace {

ViewOptions view_options(int64_t crops, std::vector<double> scales) {
  return {crops, CropAverage::softmax, {std::move(scales)}};
}

/// "name first count" of each.
std::vector<std::string> kinds(int64_t crops, std::vector<double> scales) {
  std::vector<std::string> out;
  for (const auto& [name, first, count] :
       view_kinds(view_options(crops, std::move(scales))))
    out.push_back(name + " " + std::to_string(first) + " " +
                  std::to_string(count));
  return out;
}

using Names = std::vector<std::string>;

TEST(ViewKinds, OfOneScaleAreTheCentreAndAllCrops) {
  EXPECT_EQ(kinds(1, {1}), (Names{"centre 0 1"}));
  EXPECT_EQ(kinds(5, {1}), (Names{"centre 4 1", "five crops 0 5"}));
  EXPECT_EQ(kinds(10, {1}), (Names{"centre 4 1", "ten crops 0 10"}));
  EXPECT_EQ(kinds(1, {1.15}), (Names{"scale 1.15, centre 0 1"}));
}

TEST(ViewKinds, OfSeveralScalesHaveOneRowEachAndOneForAll) {
  EXPECT_EQ(kinds(10, {1, 1.15}),
            (Names{"centre 4 1", "ten crops 0 10",
                   "scale 1.15, ten crops 10 10", "all 0 20"}));
  EXPECT_EQ(kinds(1, {1, 2}),
            (Names{"centre 0 1", "scale 2, centre 1 1", "all 0 2"}));
}

TEST(ViewKinds, TheCentreIsOfScale1WhereThatIsThere) {
  EXPECT_EQ(kinds(5, {0.75, 1}),
            (Names{"centre 9 1", "scale 0.75, five crops 0 5", "five crops 5 5",
                   "all 0 10"}));
  EXPECT_EQ(kinds(1, {0.75, 1}),
            (Names{"centre 1 1", "scale 0.75, centre 0 1", "all 0 2"}));
  EXPECT_EQ(kinds(5, {1.5, 2})[0], "scale 1.5, centre 4 1");
  EXPECT_EQ(centre_scale(view_options(5, {0.75, 1})), 1);
  EXPECT_EQ(centre_scale(view_options(5, {1.5, 2})), 1.5);
}

TEST(ViewMetrics, JudgesEachKindByItsOwnViews) {
  // Two classes, two views; the first view is right about both pictures, the
  // second about none and surer, so that the average is wrong.
  const auto logits =
      torch::tensor({1.0, 0.0, 0.0, 5.0, 0.0, 1.0, 5.0, 0.0}).view({2, 2, 2});
  ViewMetrics metrics(view_options(1, {1, 2}), {});
  const auto scores = metrics.add(logits, torch::tensor({0, 1}, torch::kLong));
  const auto each = metrics.each();
  ASSERT_EQ(each.size(), 3u);
  EXPECT_EQ(each[0].top1, 1);
  EXPECT_EQ(each[1].top1, 0);
  EXPECT_EQ(each[2].top1, 0);
  const double right = 1 / (1 + std::exp(-1.0));
  const double wrong = 1 / (1 + std::exp(5.0));
  EXPECT_NEAR(each[0].loss, -std::log(right), 1e-9);
  EXPECT_NEAR(each[1].loss, -std::log(wrong), 1e-9);
  EXPECT_NEAR(each[2].loss, -std::log((right + wrong) / 2), 1e-9);
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_NEAR(scores[0][0][0].item<double>(), std::log(right), 1e-9);
  EXPECT_NEAR(scores[1][1][1].item<double>(), std::log(wrong), 1e-9);
  EXPECT_EQ(metrics.centre().loss, each[0].loss);
  EXPECT_EQ(metrics.all().loss, each[2].loss);
}

}  // namespace
}  // namespace engraft
