#include "engraft/eval/metrics.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>

namespace engraft {
namespace {

/// Log probabilities from rows of probabilities.
torch::Tensor logs(const std::vector<std::vector<double>>& rows) {
  std::vector<torch::Tensor> parts;
  for (const auto& row : rows)
    parts.push_back(torch::tensor(row, torch::kFloat64));
  return torch::stack(parts).log();
}

torch::Tensor labels(std::vector<int64_t> values) {
  return torch::tensor(values, torch::kInt64);
}

// Newcombe 1998, Statistics in Medicine 17, table I, method 3.
TEST(Wilson, AgreesWithPublishedIntervals) {
  const struct {
    int64_t k, n;
    double low, high;
  } rows[] = {{81, 263, 0.2553, 0.3662},
              {15, 148, 0.0624, 0.1605},
              {0, 20, 0.0000, 0.1611},
              {1, 29, 0.0061, 0.1718}};
  for (const auto& row : rows) {
    const auto [low, high] = wilson_interval(row.k, row.n);
    // 5e-5: the table has four digits.
    EXPECT_NEAR(low, row.low, 5e-5) << row.k << " of " << row.n;
    EXPECT_NEAR(high, row.high, 5e-5) << row.k << " of " << row.n;
  }
}

TEST(Wilson, StaysWithinZeroAndOneAndSaysNothingOfNothing) {
  EXPECT_EQ(wilson_interval(0, 0), std::make_pair(0.0, 1.0));
  EXPECT_EQ(wilson_interval(7, 7).second, 1.0);
  EXPECT_GE(wilson_interval(0, 7).first, 0.0);
}

TEST(Metrics, AgreeWithCountingByHand) {
  // Predictions 0, 1, 1, 2 for truths 0, 0, 1, 1.
  const auto m = compute_metrics(
      logs(
          {{0.7, 0.2, 0.1}, {0.3, 0.6, 0.1}, {0.1, 0.8, 0.1}, {0.1, 0.4, 0.5}}),
      labels({0, 0, 1, 1}));
  EXPECT_EQ(m.images, 4);
  EXPECT_DOUBLE_EQ(m.top1, 0.5);
  EXPECT_DOUBLE_EQ(m.top5, 1.0);  // three classes: the best three
  EXPECT_EQ(m.top1_ci95, wilson_interval(2, 4));
  EXPECT_DOUBLE_EQ(m.mean_per_class, (1.0 / 2 + 1.0 / 2) / 2);
  // Class 0: precision 1, recall 1/2. Class 1: precision 1/2, recall 1/2.
  EXPECT_DOUBLE_EQ(m.macro_f1, (2.0 / 3 + 1.0 / 2) / 2);
  EXPECT_NEAR(m.loss, -std::log(0.7 * 0.3 * 0.8 * 0.4) / 4, 1e-12);
  const std::vector<std::vector<int64_t>> confusion{
      {1, 1, 0}, {0, 1, 1}, {0, 0, 0}};
  EXPECT_EQ(m.confusion, confusion);
}

TEST(Metrics, AClassWithoutPicturesIsNoPartOfTheMeans) {
  const auto m =
      compute_metrics(logs({{0.8, 0.1, 0.1}, {0.1, 0.8, 0.1}}), labels({0, 1}));
  EXPECT_DOUBLE_EQ(m.mean_per_class, 1.0);
  EXPECT_DOUBLE_EQ(m.macro_f1, 1.0);
}

TEST(Metrics, TiesGoToTheLowerIndex) {
  const auto even = logs({{0.25, 0.25, 0.25, 0.25}});
  EXPECT_EQ(compute_metrics(even, labels({0})).top1, 1.0);
  const auto m = compute_metrics(even, labels({1}));
  EXPECT_EQ(m.top1, 0.0);
  EXPECT_EQ(m.confusion[1][0], 1);
}

TEST(Metrics, TopFiveIsAboutTheBestFive) {
  const auto falling = logs({{0.3, 0.2, 0.16, 0.14, 0.12, 0.08}});
  EXPECT_EQ(compute_metrics(falling, labels({4})).top5, 1.0);
  EXPECT_EQ(compute_metrics(falling, labels({5})).top5, 0.0);
}

TEST(Metrics, PredictionsOutsideOfTheClassesOfInterestShareAColumn) {
  const auto m = compute_metrics(
      logs({{0.1, 0.2, 0.1, 0.6}, {0.7, 0.1, 0.1, 0.1}, {0.1, 0.7, 0.1, 0.1}}),
      labels({3, 3, 1}), {3, 1});
  const std::vector<std::vector<int64_t>> confusion{{1, 0, 1}, {0, 1, 0}};
  EXPECT_EQ(m.confusion, confusion);
  EXPECT_DOUBLE_EQ(m.top1, 2.0 / 3);
}

TEST(Metrics, InPartsAreTheSameAsInOne) {
  torch::manual_seed(1);
  const auto scores = torch::randn({20, 7}).log_softmax(1);
  const auto truths = torch::randint(7, {20});
  MetricsAccumulator parts;
  parts.add(scores.slice(0, 0, 9), truths.slice(0, 0, 9));
  parts.add(scores.slice(0, 9), truths.slice(0, 9));
  EXPECT_EQ(to_json(parts.result()), to_json(compute_metrics(scores, truths)));
}

TEST(Metrics, NaNIsNeverARightAnswer) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto m = compute_metrics(
      torch::tensor({nan, nan}, torch::kFloat64).reshape({1, 2}), labels({0}));
  EXPECT_EQ(m.top1, 0.0);
  EXPECT_TRUE(std::isnan(m.loss));
}

TEST(Metrics, OfNoPicturesSayNothing) {
  const auto m = MetricsAccumulator().result();
  EXPECT_EQ(m.images, 0);
  EXPECT_EQ(m.top1_ci95, std::make_pair(0.0, 1.0));
}

TEST(Hits, AreThePicturesThatTop1Counts) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto scores =
      torch::tensor({-1.0, -2.0, -1.0, -1.0, nan, -1.0, -1.0, nan})
          .reshape({4, 2});
  const auto truths = labels({0, 1, 0, 0});
  // Right; a tie goes to the lower index; NaN is never right; nor against it.
  const auto right = hits(scores, truths);
  EXPECT_TRUE(right.equal(torch::tensor({true, false, false, true})));
  EXPECT_EQ(compute_metrics(scores, truths).top1, 0.5);
}

}  // namespace
}  // namespace engraft
