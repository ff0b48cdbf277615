#include "engraft/train/optimizer.h"

#include <gtest/gtest.h>
#include <torch/optim/adam.h>
#include <torch/types.h>

#include <cmath>

#include "engraft/train/fit.h"
#include "engraft/train/schedule.h"

namespace engraft {
namespace {

/// Three steps on w^2 / 2, whose gradient is w, from 1.
std::vector<double> three_steps(const OptimOptions& options, double lr,
                                double decay) {
  auto w = torch::ones({1}, torch::kDouble).requires_grad_(true);
  const std::vector<ParameterGroup> groups = {{{w}, lr, decay}};
  const auto optimizer = make_optimizer(groups, options);
  std::vector<double> out;
  for (int i = 0; i < 3; ++i) {
    optimizer->zero_grad();
    (w.square().sum() / 2).backward();
    optimizer->step();
    out.push_back(w.item<double>());
  }
  return out;
}

TEST(Optimizer, SgdWithMomentumAndDecayByHand) {
  OptimOptions options;
  options.optimizer = OptimizerKind::sgd;
  options.momentum = 0.9;
  double w = 1, v = 0;
  for (const double step : three_steps(options, 0.1, 0.01)) {
    v = 0.9 * v + w + 0.01 * w;
    w -= 0.1 * v;
    EXPECT_NEAR(step, w, 1e-12);
  }
}

TEST(Optimizer, AdamByHand) {
  OptimOptions options;
  options.optimizer = OptimizerKind::adam;
  options.momentum = 0.8;
  double w = 1, m = 0, v = 0;
  int t = 0;
  for (const double step : three_steps(options, 0.1, 0.01)) {
    ++t;
    const double g = w + 0.01 * w;
    m = 0.8 * m + 0.2 * g;
    v = 0.999 * v + 0.001 * g * g;
    w -= 0.1 * (m / (1 - std::pow(0.8, t))) /
         (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
    EXPECT_NEAR(step, w, 1e-9);
  }
}

TEST(Optimizer, AdamIsLibTorchsOwnWhateverTheMemoryFormat) {
  OptimOptions options;
  options.optimizer = OptimizerKind::adam;
  torch::manual_seed(3);
  const auto start = torch::randn({6, 4, 3, 3});
  const auto ours = start.contiguous(at::MemoryFormat::ChannelsLast)
                        .clone()
                        .requires_grad_(true);
  const auto theirs = start.clone().requires_grad_(true);
  const auto resting = torch::ones({2}).requires_grad_(true);
  const auto optimizer =
      make_optimizer({{{ours, resting}, 0.01, 0.02}}, options);
  torch::optim::Adam reference({theirs}, torch::optim::AdamOptions(0.01)
                                             .betas({options.momentum, 0.999})
                                             .weight_decay(0.02));
  for (int i = 0; i < 5; ++i) {
    const auto gradient = torch::randn_like(start);
    ours.mutable_grad() = gradient.clone();
    theirs.mutable_grad() = gradient.clone();
    optimizer->step();
    reference.step();
  }
  EXPECT_TRUE(torch::allclose(ours, theirs, 1e-5, 1e-7))
      << (ours - theirs).abs().max();
  EXPECT_TRUE(torch::equal(resting, torch::ones({2})));
}

TEST(Optimizer, EachGroupHasItsOwnRate) {
  auto a = torch::ones({1}).requires_grad_(true);
  auto b = torch::ones({1}).requires_grad_(true);
  const std::vector<ParameterGroup> groups = {{{a}, 0.1, 0}, {{b}, 0.01, 0}};
  OptimOptions options;
  options.optimizer = OptimizerKind::sgd;
  const auto optimizer = make_optimizer(groups, options);
  scale_rates(*optimizer, groups, 0.5);
  (a + b).sum().backward();
  optimizer->step();
  EXPECT_NEAR(a.item<float>(), 0.95, 1e-6);
  EXPECT_NEAR(b.item<float>(), 0.995, 1e-6);
}

TEST(Schedule, RisesThenFallsByItsFormula) {
  EXPECT_DOUBLE_EQ(schedule_factor(ScheduleKind::cosine, 0.2, 0, 10), 0.5);
  EXPECT_DOUBLE_EQ(schedule_factor(ScheduleKind::cosine, 0.2, 1, 10), 1.0);
  EXPECT_DOUBLE_EQ(schedule_factor(ScheduleKind::cosine, 0.2, 2, 10), 1.0);
  EXPECT_NEAR(schedule_factor(ScheduleKind::cosine, 0.2, 6, 10), 0.5, 1e-12);
  EXPECT_NEAR(schedule_factor(ScheduleKind::linear, 0, 7, 10), 0.3, 1e-12);
  EXPECT_EQ(schedule_factor(ScheduleKind::constant, 0, 9, 10), 1.0);
}

TEST(ClassWeightsOf, BalancedIsInverseToFrequency) {
  const auto w = class_weights(ClassWeights::balanced, {10, 30, 0});
  EXPECT_NEAR(w[0].item<float>(), 40.0 / 30, 1e-6);
  EXPECT_NEAR(w[1].item<float>(), 40.0 / 90, 1e-6);
  EXPECT_EQ(w[2].item<float>(), 0);
  EXPECT_FALSE(class_weights(ClassWeights::none, {1, 2}).defined());
}

TEST(Temperature, UndoesAKnownScale) {
  // Labels drawn from softmax(z): the best temperature for 3 z is 3.
  torch::manual_seed(1);
  const auto z = torch::randn({20000, 4});
  const auto labels = torch::multinomial(z.softmax(1), 1).squeeze(1);
  EXPECT_NEAR(fit_temperature(3 * z, labels), 3, 0.15);
  EXPECT_EQ(fit_temperature({}, {}), 1);
}

}  // namespace
}  // namespace engraft
