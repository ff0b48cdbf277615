#include "engraft/train/technique.h"

#include <gtest/gtest.h>

#include <cmath>

namespace engraft {
namespace {

TrainBatch batch_of(const torch::Tensor& x) {
  return {x, torch::arange(x.size(0)) % 3, {}};
}

MixOptions with(double mixup, double cutmix) {
  MixOptions options;
  options.mixup = mixup;
  options.cutmix = cutmix;
  return options;
}

TEST(Techniques, WhatIsOffIsNotThere) {
  EXPECT_TRUE(make_techniques({}, {}, 3).empty());
}

TEST(Techniques, MixupBlendsPicturesAndTargetsAlike) {
  // Pictures that are their own targets, one-hot, show whether both are
  // blended with the same partner by the same share.
  torch::manual_seed(1);
  const auto techniques = make_techniques({}, with(0.4, 0), 3);
  ASSERT_EQ(techniques.size(), 1u);
  double shares = 0, squares = 0;
  constexpr int kTimes = 2000;
  for (int i = 0; i < kTimes; ++i) {
    TrainBatch b = batch_of(torch::eye(3));
    techniques[0]->batch(b);
    EXPECT_TRUE(torch::allclose(b.x, b.targets, 1e-6, 1e-6));
    EXPECT_TRUE(torch::allclose(b.targets.sum(1), torch::ones({3})));
    // A picture that met itself says nothing of the share.
    const double share = b.targets[0][0].item<double>();
    if (share == 1) continue;
    shares += share;
    squares += 1;
  }
  // The mean of Beta(a, a) is 1/2, its standard deviation below 1/2.
  EXPECT_NEAR(shares / squares, 0.5, 4 * 0.5 / std::sqrt(squares));
}

/// The shares of `count` batches of 16 rows that are their own targets. A row
/// that met another has its share on the diagonal, one that met itself has 1,
/// and that all 16 do so does not happen.
torch::Tensor shares_of(const MixOptions& options, int count) {
  const auto techniques = make_techniques({}, options, 16);
  std::vector<double> out;
  for (int i = 0; i < count; ++i) {
    TrainBatch b{torch::eye(16), torch::arange(16), {}};
    techniques.at(0)->batch(b);
    out.push_back(b.x.diagonal().min().item<double>());
  }
  return torch::tensor(out, torch::kDouble);
}

TEST(Techniques, MixupsShareIsOfTheBetaDistribution) {
  torch::manual_seed(4);
  constexpr int kTimes = 3000;
  for (const double alpha : {0.2, 1.0, 4.0}) {
    const auto away = shares_of(with(alpha, 0), kTimes) - 0.5;
    // The second and fourth central moments of Beta(a, a); what is between the
    // fourth and the square of the second is the variance of a squared draw.
    const double second = 1 / (4 * (2 * alpha + 1));
    const double fourth = 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3));
    EXPECT_NEAR(away.mean().item<double>(), 0, 4 * std::sqrt(second / kTimes))
        << alpha;
    EXPECT_NEAR(away.square().mean().item<double>(), second,
                4 * std::sqrt((fourth - second * second) / kTimes))
        << alpha;
  }
}

TEST(Techniques, CutmixTakesTheShareOfItsRectangle) {
  torch::manual_seed(2);
  const auto techniques = make_techniques({}, with(0, 1), 4);
  for (int i = 0; i < 50; ++i) {
    // Picture k is full of k.
    const auto x = torch::arange(4, torch::kFloat).view({4, 1, 1, 1}) +
                   torch::zeros({4, 2, 9, 7});
    TrainBatch b{x.clone(), torch::arange(4), {}};
    techniques[0]->batch(b);
    for (int64_t k = 0; k < 4; ++k) {
      const auto counts =
          torch::stack({b.x[k].eq(0).sum(), b.x[k].eq(1).sum(),
                        b.x[k].eq(2).sum(), b.x[k].eq(3).sum()});
      EXPECT_TRUE(torch::allclose(counts.to(torch::kFloat) / (2 * 9 * 7),
                                  b.targets[k], 1e-5, 1e-6))
          << b.x[k] << b.targets[k];
    }
    EXPECT_TRUE(x.equal(torch::arange(4, torch::kFloat).view({4, 1, 1, 1}) +
                        torch::zeros({4, 2, 9, 7})));
  }
}

TEST(Techniques, OfBothEachBatchDrawsOne) {
  torch::manual_seed(3);
  const auto techniques = make_techniques({}, with(1, 1), 2);
  int blended = 0;
  for (int i = 0; i < 200; ++i) {
    TrainBatch b{
        torch::tensor({0.f, 1.f}).view({2, 1, 1, 1}).expand({2, 1, 8, 8}),
        torch::tensor({0, 1}),
        {}};
    techniques[0]->batch(b);
    blended += (b.x.gt(0) & b.x.lt(1)).any().item<bool>();
  }
  // Half are mixup, of which half meet themselves.
  EXPECT_NEAR(blended, 50, 4 * std::sqrt(200 * 0.25 * 0.75));
}

TEST(Techniques, TheSameSeedMixesAlike) {
  const auto techniques = make_techniques({}, with(0.2, 0), 3);
  std::vector<torch::Tensor> seen;
  for (int i = 0; i < 2; ++i) {
    torch::manual_seed(7);
    TrainBatch b = batch_of(torch::eye(6));
    techniques[0]->batch(b);
    seen.push_back(b.x);
  }
  EXPECT_TRUE(seen[0].equal(seen[1]));
}

TEST(Techniques, L1IsTheGradientOfTheSumOfMagnitudes) {
  OptimOptions options;
  options.l1 = 0.25;
  const auto techniques = make_techniques(options, {}, 3);
  ASSERT_EQ(techniques.size(), 1u);
  auto w = torch::tensor({2.f, -3.f, 0.f}).requires_grad_(true);
  auto bias = torch::tensor({1.f}).requires_grad_(true);
  (w.square().sum() + bias.sum()).backward();
  techniques[0]->before_step({{{w}, 0.1, 0, true}, {{bias}, 0.1, 0, false}});
  const auto reference = torch::tensor({2.f, -3.f, 0.f}).requires_grad_(true);
  (reference.square().sum() + 0.25 * reference.abs().sum()).backward();
  EXPECT_TRUE(torch::allclose(w.grad(), reference.grad()));
  EXPECT_EQ(bias.grad().item<float>(), 1);
}

}  // namespace
}  // namespace engraft
