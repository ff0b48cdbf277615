// The techniques in the training loop; their own arithmetic has its own tests.

#include <filesystem>

#include "engraft/train/schedule.h"
#include "engraft/train/trainer.h"
#include "support/expect_fault.h"
#include "support/tiny_training.h"

namespace engraft {
namespace {

class Repertoire : public test::TinyTraining {};

TEST_F(Repertoire, AskingForStepsTrainsTheHeadBySteps) {
  auto o = options("all");
  o.mix.mixup = 0.2;
  const auto result = train(o);
  EXPECT_FALSE(result.head);
  EXPECT_EQ(result.epochs.size(), 4u);
  EXPECT_FAULT(train(by_lbfgs(o)), Fault::usage, "--mixup");
}

TEST_F(Repertoire, EveryOptimizerAndScheduleLearns) {
  // Colours that any rule tells apart, given its kind of rate.
  const std::vector<std::pair<OptimizerKind, double>> rules = {
      {OptimizerKind::sgd, 0.02},    {OptimizerKind::nesterov, 0.02},
      {OptimizerKind::adagrad, 0.2}, {OptimizerKind::rmsprop, 0.05},
      {OptimizerKind::adam, 0.1},    {OptimizerKind::adamw, 0.1}};
  for (const auto& [kind, lr] : rules) {
    auto o = options("all");
    o.optim.optimizer = kind;
    o.base.plan.lr = lr;
    o.base.plan.epochs = 12;
    const auto result = train(o);
    EXPECT_GE(result.val->main.metrics.top1, 0.9) << name_of(kind);
  }
  for (const ScheduleFamily& family : schedule_families()) {
    auto o = options("all");
    o.optim.optimizer = OptimizerKind::adam;
    o.schedule.schedule = family.kind;
    o.base.plan.lr = 0.1;
    o.base.plan.epochs = 12;
    EXPECT_GE(train(o).val->main.metrics.top1, 0.9) << name_of(family.kind);
  }
}

TEST_F(Repertoire, ARangeTestLeavesTheWeightsAndScalesTheRates) {
  auto o = options("none");
  o.optim.find_lr = true;
  o.base.plan.epochs = 2;
  o.base.plan.head_epochs = 1;
  const auto result = train(o);
  ASSERT_EQ(result.rate_curves.size(), 2u);
  EXPECT_EQ(result.rate_curves[0].stage, "head");
  EXPECT_EQ(result.rate_curves[1].stage, "blocks");
  EXPECT_GT(result.rate_curves[0].factors.size(), 20u);
  // What follows is training with these rates, as if nothing had been tried.
  o = options("all");
  o.optim.optimizer = OptimizerKind::adam;
  o.base.plan.lr = 0.01;
  o.optim.find_lr = true;
  EXPECT_FAULT(train(o), Fault::usage, "--lr");
  o.base.plan.lr.reset();
  const auto found = train(o);
  const auto searched = weights(o.out);
  EXPECT_NE(found.rate_curves.at(0).suggestion, 1);
  o.optim.find_lr = false;
  o.base.plan.lr = found.plan.head_lr * found.rate_curves[0].suggestion;
  train(o);
  for (const auto& [name, tensor] : weights(o.out))
    EXPECT_TRUE(tensor.equal(searched.at(name))) << name;
}

TEST_F(Repertoire, AnAverageIsValidatedBesideTheWeightsThatGoOn) {
  for (const auto kind :
       {WeightAverage::ema, WeightAverage::swa, WeightAverage::soup}) {
    auto o = options("none");
    o.base.plan.epochs = 6;
    const auto alone = train(o);
    o.mix.average = kind;
    const auto result = train(o);
    ASSERT_EQ(result.epochs.size(), alone.epochs.size());
    bool averaged = false;
    for (size_t i = 0; i < result.epochs.size(); ++i) {
      // Looking at the average does not change the course of the weights.
      EXPECT_EQ(result.epochs[i].train_loss, alone.epochs[i].train_loss)
          << name_of(kind) << i;
      EXPECT_EQ(result.epochs[i].val_loss, alone.epochs[i].val_loss);
      averaged |= result.epochs[i].average_val_accuracy.has_value();
    }
    EXPECT_TRUE(averaged || kind == WeightAverage::soup);
    EXPECT_GE(result.val->main.metrics.top1, alone.val->main.metrics.top1);
  }
}

TEST_F(Repertoire, AnAverageLeavesFrozenStatisticsAlone) {
  auto o = options("none");
  o.base.plan.epochs = 4;
  o.mix.average = WeightAverage::ema;
  o.regularise.bn_statistics = BatchNormStatistics::running;
  const auto result = train(o);
  EXPECT_EQ(result.diverged, "");
  EXPECT_TRUE(result.epochs.back().average_val_loss.has_value());
  const auto before = weights(folder_ / "model.pt");
  for (const auto& [name, tensor] : weights(o.out))
    if (name.ends_with("_mean") || name.ends_with("_var")) {
      EXPECT_TRUE(tensor.equal(before.at(name))) << name;
    }
}

TEST_F(Repertoire, AllOfItCombines) {
  auto o = options("none");
  o.base.plan.epochs = 6;
  o.curves = true;
  o.optim.find_lr = true;
  o.optim.l1 = 1e-5;
  o.mix.mixup = 0.2;
  o.mix.cutmix = 1;
  o.mix.average = WeightAverage::ema;
  o.mix.snapshots = 2;
  o.regularise.head_dropout = 0.2;
  const auto result = train(o);
  EXPECT_EQ(result.rate_curves.size(), 2u);
  ASSERT_EQ(result.snapshots.members.size(), 2u);
  for (const SavedSnapshot& member : result.snapshots.members)
    EXPECT_EQ(load_classifier(member.path).classes.size(), 3u);
  EXPECT_EQ(load_classifier(result.snapshots.ensemble.path).classes.size(), 3u);
  // The best model is in the file all the same.
  const EpochResult& best = result.epochs.at(result.best_epoch - 1);
  EXPECT_NEAR(
      result.val->main.metrics.top1,
      best.average_is_best ? *best.average_val_accuracy : best.val_accuracy,
      1e-9);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out.curves.jsonl"));
}

TEST_F(Repertoire, TheSavedAverageIsWhatWasValidated) {
  auto o = options("none");
  o.base.plan.epochs = 8;
  o.mix.average = WeightAverage::swa;
  o.mix.average_from = 0;
  const auto result = train(o);
  const EpochResult& best = result.epochs.at(result.best_epoch - 1);
  const double expected =
      best.average_is_best ? *best.average_val_accuracy : best.val_accuracy;
  EXPECT_NEAR(result.val->main.metrics.top1, expected, 1e-9);
}

}  // namespace
}  // namespace engraft
