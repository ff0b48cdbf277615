#include "engraft/eval/paired_test.h"

#include <gtest/gtest.h>

#include <cmath>

namespace engraft {
namespace {

/// Logits of two classes that get the pictures marked true right.
torch::Tensor answers(const std::vector<int>& right,
                      const torch::Tensor& labels, double margin = 2) {
  auto out = torch::zeros({labels.size(0), 2});
  for (int64_t i = 0; i < labels.size(0); ++i) {
    const int64_t label = labels[i].item<int64_t>();
    out[i][right[i] ? label : 1 - label] = margin;
  }
  return out;
}

TEST(PairedTest, IsMcNemarsOnThePicturesThatDiffer) {
  const auto labels = torch::tensor({0, 1, 0, 1, 0, 1, 0, 1}, torch::kLong);
  const auto a = answers({1, 1, 0, 0, 0, 0, 1, 1}, labels);
  const auto b = answers({1, 1, 1, 1, 1, 0, 0, 1}, labels);
  const PairedTest test = compare_paired(a, b, labels);
  EXPECT_EQ(test.pictures, 8);
  EXPECT_EQ(test.won, 3);
  EXPECT_EQ(test.lost, 1);
  EXPECT_NEAR(test.accuracy_gain, 2.0 / 8, 1e-12);
  EXPECT_NEAR(test.accuracy_z, 2 / std::sqrt(4.0), 1e-12);
  const PairedTest back = compare_paired(b, a, labels);
  EXPECT_NEAR(back.accuracy_z, -test.accuracy_z, 1e-12);
  EXPECT_NEAR(back.loss_z, -test.loss_z, 1e-9);
  EXPECT_FALSE(back.better());
  // In accuracy by exactly one standard error; asked for is more than that.
  EXPECT_EQ(test.better(1), test.loss_z > 1);
  EXPECT_TRUE(test.better(0.9));
}

TEST(PairedTest, OnePictureThatIsLostIsNoErrorTooMany) {
  PairedTest test{100, 0, 1, -0.01, -1, 0, 0};
  EXPECT_TRUE(test.better(-1));
  test.accuracy_z = -1.41;
  EXPECT_FALSE(test.better(-1));
}

TEST(PairedTest, AGainThatTheLossSpeaksAgainstIsNone) {
  PairedTest test{100, 3, 0, 0.03, 1.7, -0.1, -0.5};
  EXPECT_TRUE(test.better());
  test.loss_z = -2;
  EXPECT_FALSE(test.better());
  test = {100, 1, 1, 0, 0, 0.1, 1.5};
  EXPECT_TRUE(test.better());
  test = {100, 1, 2, -0.01, -0.6, 0.1, 1.5};
  EXPECT_FALSE(test.better());
}

TEST(PairedTest, BelowNoErrorsAsksForNoLossOfAccuracy) {
  PairedTest test{200, 12, 14, -0.01, -0.4, -0.05, -0.8};
  EXPECT_FALSE(test.better(0.5));
  EXPECT_TRUE(test.better(-1));
  test.loss_z = -3;
  EXPECT_TRUE(test.better(-1));
  test = {200, 10, 16, -0.03, -1.2, 0, 0};
  EXPECT_FALSE(test.better(-1));
  // None at all: as many are right.
  EXPECT_FALSE(test.better(0));
  test = {200, 10, 10, 0, 0, -0.05, -0.8};
  EXPECT_TRUE(test.better(0));
}

TEST(PairedTest, ConfidenceAloneIsNoGain) {
  const auto labels = torch::tensor({0, 1, 0, 1, 0, 1}, torch::kLong);
  const auto timid = answers({1, 1, 1, 1, 0, 1}, labels, 0.2);
  const auto bold = answers({1, 1, 1, 1, 0, 1}, labels, 20);
  const PairedTest test = compare_paired(timid, bold, labels);
  EXPECT_NEAR(test.loss_gain, 0, 1e-6);
  EXPECT_EQ(test.accuracy_z, 0);
  EXPECT_FALSE(test.better());
}

TEST(PairedTest, OneModelIsNotBetterThanItself) {
  const auto labels = torch::tensor({0, 1, 1}, torch::kLong);
  const auto logits = answers({1, 0, 1}, labels);
  EXPECT_FALSE(compare_paired(logits, logits, labels).better());
  EXPECT_FALSE(
      compare_paired({}, {}, torch::zeros({0}, torch::kLong)).better());
}

}  // namespace
}  // namespace engraft
