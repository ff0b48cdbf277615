#include "engraft/train/precision.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/nn/functional/loss.h>
#include <torch/types.h>

#include "engraft/model/chain.h"
#include "engraft/train/live_chain.h"
#include "model/difference.h"
#include "support/expect_fault.h"
#include "support/tiny_training.h"

namespace engraft {
namespace {

/// The trial of steps that take so long a picture, in their order.
PrecisionTrial tried(const std::vector<double>& milliseconds) {
  PrecisionTrial trial(3, TrainPrecision::automatic);
  for (const double ms : milliseconds) trial.stepped(ms / 1e3 * 8, 8);
  return trial;
}

TEST(PrecisionTrial, StepsInTurnAndTakesWhatIsClearlyFaster) {
  PrecisionTrial trial(3, TrainPrecision::automatic);
  std::vector<bool> seen;
  for (const double seconds : {4.0, 3.0, 2.0, 1.5}) {
    EXPECT_FALSE(trial.settled());
    seen.push_back(trial.bf16());
    trial.stepped(seconds, 2);
  }
  EXPECT_EQ(seen, (std::vector<bool>{false, true, false, true}));
  EXPECT_TRUE(trial.settled());
  EXPECT_TRUE(trial.bf16());  // 750 ms a picture against 1000
  EXPECT_DOUBLE_EQ(trial.choice().f32, 1000);
  EXPECT_DOUBLE_EQ(trial.choice().bf16, 750);
  EXPECT_EQ(trial.choice().cut, 3);
}

TEST(PrecisionTrial, TheFasterStepOfEachCounts) {
  EXPECT_TRUE(tried({50, 20, 26, 90}).bf16());
  EXPECT_FALSE(tried({26, 90, 50, 21}).bf16());
}

TEST(PrecisionTrial, ALittleFasterIsNotEnough) {
  EXPECT_FALSE(tried({10, 8.5, 10, 8.5}).bf16());
  EXPECT_EQ(tried({10, 8.5, 10, 8.5}).choice().kind, TrainPrecision::f32);
}

TEST(PrecisionTrial, IsOverWhereThePrecisionIsGiven) {
  EXPECT_TRUE(PrecisionTrial(3, TrainPrecision::bf16).bf16());
  EXPECT_TRUE(PrecisionTrial(3, TrainPrecision::bf16).settled());
  EXPECT_FALSE(PrecisionTrial(3, TrainPrecision::f32).bf16());
  EXPECT_FALSE(PrecisionTrial().bf16());
  EXPECT_FALSE(PrecisionTrial(3, "no such operation").bf16());
  EXPECT_EQ(PrecisionTrial(3, "no such operation").choice().text(),
            "f32: bf16 failed (no such operation)");
}

class Bfloat16 : public testing::Test {
 protected:
  /// Gradients of the live parameters, in their order.
  std::vector<torch::Tensor> gradients(bool bf16) {
    torch::manual_seed(1);  // of the dropout
    const LiveChain live(chain_, 1);
    const auto logits = live.forward(images_, 0, bf16);
    EXPECT_EQ(logits.scalar_type(), torch::kFloat);
    logits_ = logits.detach();
    torch::nn::functional::cross_entropy(logits, labels_).backward();
    std::vector<torch::Tensor> out;
    for (const auto& parameter : live.live_parameters())
      out.push_back(parameter.grad().clone());
    return out;
  }

  Classifier model_ = make_classifier(tiny::residual(), tiny::input());
  BlockChain chain_{model_};
  torch::Tensor images_ =
      torch::randn({24, 3, 16, 16}, at::detail::createCPUGenerator(5));
  torch::Tensor labels_ = torch::arange(24).remainder(5);
  torch::Tensor logits_;
};

TEST_F(Bfloat16, GivesTheGradientsOfFloat32ButForRounding) {
  const auto exact = gradients(false);
  const auto exact_logits = logits_;
  const auto rounded = gradients(true);
  const double off = relative_difference(logits_, exact_logits);
  EXPECT_GT(off, 1e-4);  // it is not float32
  EXPECT_LT(off, 0.03);
  ASSERT_EQ(exact.size(), rounded.size());
  std::vector<torch::Tensor> one, other;
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_EQ(rounded[i].scalar_type(), torch::kFloat);
    one.push_back(exact[i].flatten());
    other.push_back(rounded[i].flatten());
  }
  // A rectifier's input near zero changes sides, so a weight's own gradient may
  // be off by a sixth.
  EXPECT_GT(torch::cosine_similarity(torch::cat(one), torch::cat(other), 0)
                .item<double>(),
            0.98);
}

TEST_F(Bfloat16, LeavesNoTraceBehind) {
  const auto before = gradients(false);
  gradients(true);
  EXPECT_FALSE(at::autocast::is_autocast_enabled(at::kCPU));
  const auto after = gradients(false);
  for (size_t i = 0; i < before.size(); ++i)
    EXPECT_TRUE(after[i].equal(before[i])) << i;
}

class TrainBfloat16 : public test::TinyTraining {};

TEST_F(TrainBfloat16, TheFileIsFloat32AndSaysHowItCameToBe) {
  auto o = options("1");
  o.base.plan.head_epochs = 0;
  o.optim.precision = TrainPrecision::bf16;
  const auto result = train(o);
  ASSERT_EQ(result.precisions.size(), 1u);
  EXPECT_EQ(result.precisions[0].cut, 1);
  EXPECT_EQ(result.precisions[0].kind, TrainPrecision::bf16);
  const auto rounded = weights(o.out);
  const Classifier saved = load_classifier(o.out);
  EXPECT_EQ(saved.record["precisions"][0]["kind"], "bf16");
  o.optim.precision = TrainPrecision::f32;
  EXPECT_EQ(train(o).precisions[0].kind, TrainPrecision::f32);
  int64_t moved = 0;
  for (const auto& [name, exact] : weights(o.out)) {
    EXPECT_EQ(rounded.at(name).scalar_type(), exact.scalar_type());
    moved += !rounded.at(name).equal(exact);
  }
  EXPECT_GT(moved, 0);
}

TEST_F(TrainBfloat16, IsNotTriedWhereATrialWouldNotPay) {
  const auto result = train(options("1"));
  ASSERT_FALSE(result.precisions.empty());
  EXPECT_EQ(result.precisions[0].kind, TrainPrecision::f32);
  EXPECT_EQ(result.precisions[0].f32, 0);
}

TEST_F(TrainBfloat16, WhatDoesNotWorkIsSaid) {
  tiny::ending("complex", 5).save(folder_ / "model.pt");
  auto o = options("1");
  o.base.plan.head_epochs = 0;
  EXPECT_EQ(train(o).precisions.size(), 1u);
  o.optim.precision = TrainPrecision::bf16;
  EXPECT_FAULT(train(o), Fault::model, "cannot be trained in bfloat16");
}

TEST_F(TrainBfloat16, TheHeadAloneHasNone) {
  auto o = options("all");
  o.optim.precision = TrainPrecision::bf16;
  EXPECT_FAULT(train(o), Fault::usage, "--precision bf16 is for live blocks");
}

}  // namespace
}  // namespace engraft
