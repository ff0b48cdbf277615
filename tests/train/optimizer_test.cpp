#include "engraft/train/optimizer.h"

#include <gtest/gtest.h>
#include <torch/optim/adam.h>
#include <torch/types.h>

#include <cmath>
#include <set>

#include "engraft/eval/calibration.h"
#include "engraft/train/fit.h"
#include "support/expect_fault.h"

namespace engraft {
namespace {

/// Five steps on sum(w^4 / 4 + c w) from (1, -2, 0.5), c = (0.3, 0.1, -0.2).
std::vector<double> five_steps(const OptimOptions& options, double decay) {
  const auto f64 = torch::kDouble;
  auto w = torch::tensor({1.0, -2.0, 0.5}, f64).requires_grad_(true);
  const auto c = torch::tensor({0.3, 0.1, -0.2}, f64);
  const auto optimizer = make_optimizer({{{w}, 0.05, decay}}, options);
  for (int i = 0; i < 5; ++i) {
    optimizer->zero_grad();
    (w.pow(4).sum() / 4 + (w * c).sum()).backward();
    optimizer->step();
  }
  return {w[0].item<double>(), w[1].item<double>(), w[2].item<double>()};
}

OptimOptions of(OptimizerKind kind) {
  OptimOptions options;
  options.optimizer = kind;
  return options;
}

// The expected numbers are those of Python's torch.optim after the same five
// steps: SGD(lr=.05, momentum=.9, weight_decay=.01), SGD(..., momentum=.8,
// nesterov=True), Adagrad, RMSprop(alpha=.95), RMSprop(alpha=.95, momentum=.7,
// eps=1e-6), Adam(betas=(.8, .99)), AdamW(weight_decay=.1).
struct Reference {
  OptimOptions options;
  double decay;
  std::vector<double> expected;
};

std::vector<Reference> references() {
  auto nesterov = of(OptimizerKind::nesterov);
  nesterov.momentum = 0.8;
  auto rmsprop = of(OptimizerKind::rmsprop);
  rmsprop.rms_decay = 0.95;
  auto with_momentum = rmsprop;
  with_momentum.momentum = 0.7;
  with_momentum.epsilon = 1e-6;
  auto adam = of(OptimizerKind::adam);
  adam.momentum = 0.8;
  adam.beta2 = 0.99;
  return {
      {of(OptimizerKind::sgd), 0.01, {0.3420297248, 0.4566680889, 0.541867253}},
      {nesterov, 0.01, {0.3785594529, -0.1174614641, 0.5426648889}},
      {of(OptimizerKind::adagrad),
       0.01,
       {0.849088812, -1.8456596631, 0.5786954453}},
      {rmsprop, 0.01, {0.4471423286, -1.4094460912, 0.5791094581}},
      {with_momentum, 0.01, {-0.1780974636, -0.802028353, 0.522897577}},
      {adam, 0.01, {0.7563200626, -1.7540353643, 0.6031660102}},
      {of(OptimizerKind::adamw),
       0.1,
       {0.7320872155, -1.7059328674, 0.6228769146}},
  };
}

TEST(Optimizer, StepsAsPythonsDo) {
  std::set<OptimizerKind> tried;
  for (const Reference& reference : references()) {
    tried.insert(reference.options.optimizer);
    const auto seen = five_steps(reference.options, reference.decay);
    for (size_t i = 0; i < seen.size(); ++i)
      EXPECT_NEAR(seen[i], reference.expected[i], 2e-7)
          << name_of(reference.options.optimizer) << ' ' << i;
  }
  for (const OptimizerFamily& family : optimizer_families())
    EXPECT_TRUE(tried.contains(family.kind)) << name_of(family.kind);
}

TEST(Optimizer, WithoutMomentumSgdIsPlain) {
  auto options = of(OptimizerKind::sgd);
  options.momentum = 0;
  auto w = torch::ones({1}, torch::kDouble).requires_grad_(true);
  const auto optimizer = make_optimizer({{{w}, 0.1, 0}}, options);
  for (double expected = 0.9; expected > 0.7; expected *= 0.9) {
    optimizer->zero_grad();
    (w.square().sum() / 2).backward();
    optimizer->step();
    EXPECT_NEAR(w.item<double>(), expected, 1e-12);
  }
}

TEST(Optimizer, WhatARuleDoesNotUseIsRefused) {
  auto options = of(OptimizerKind::sgd);
  options.beta2 = 0.9;
  EXPECT_FAULT(options.validate(), Fault::usage, "--beta2 is not used by");
  options = of(OptimizerKind::adagrad);
  options.momentum = 0.9;
  EXPECT_FAULT(options.validate(), Fault::usage, "--momentum");
  options = of(OptimizerKind::lbfgs);
  options.beta2 = 0.9;
  EXPECT_FAULT(options.validate(), Fault::usage, "--optimizer lbfgs");
  options = of(OptimizerKind::adam);
  options.head_l2 = 1;
  EXPECT_FAULT(options.validate(), Fault::usage, "--head-l2");
  options = of(OptimizerKind::automatic);
  options.beta2 = 0.99;
  options.validate();
  options.rms_decay = 0.99;
  EXPECT_FAULT(options.validate(), Fault::usage,
               "--rms-decay is not used by --optimizer adam");
  options = of(OptimizerKind::sgd);
  options.epsilon = 0;  // set all the same
  EXPECT_FAULT(options.validate(), Fault::usage, "--epsilon is not used by");
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
  torch::optim::Adam reference(
      {theirs},
      torch::optim::AdamOptions(0.01).betas({0.9, 0.999}).weight_decay(0.02));
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
