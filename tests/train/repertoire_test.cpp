// The techniques in the training loop; their own arithmetic has its own tests.

#include <filesystem>

#include "engraft/train/schedule.h"
#include "engraft/train/trainer.h"
#include "support/expect_fault.h"
#include "support/tiny_training.h"

namespace engraft {
namespace {

class Repertoire : public test::TinyTraining {};

/// A running mean or variance of the tiny models.
bool is_statistic(const std::string& name) {
  return name.ends_with("_mean") || name.ends_with("_var");
}

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
    if (is_statistic(name)) {
      EXPECT_TRUE(tensor.equal(before.at(name))) << name;
    }
}

TEST_F(Repertoire, ThePlanSaysWhetherStatisticsMove) {
  auto o = options("none");
  o.base.plan.epochs = 2;
  const auto before = weights(folder_ / "model.pt");
  const auto stay = [&] {
    bool same = true;
    for (const auto& [name, tensor] : weights(o.out))
      if (is_statistic(name)) same &= tensor.equal(before.at(name));
    return same;
  };
  const auto planned = train(o);
  EXPECT_EQ(planned.plan.bn_statistics, BatchNormStatistics::running);
  EXPECT_FALSE(planned.regularised);  // nothing was asked for
  EXPECT_TRUE(stay());
  o.regularise.bn_statistics = BatchNormStatistics::batch;
  train(o);
  EXPECT_FALSE(stay());
  o.regularise.bn_statistics = BatchNormStatistics::automatic;
  o.regularise.bn_momentum = 0.05;
  train(o);
  EXPECT_FALSE(stay());
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

TEST_F(Repertoire, SnapshotsAreTheFilesThatTheyAreSaidToBe) {
  auto o = options("none");
  o.base.plan.epochs = 6;
  o.base.plan.lr = 0.003;
  o.mix.snapshots = 2;
  o.schedule.cycle_growth = 2;  // of the restarts that they fall by
  const auto result = train(o);
  ASSERT_EQ(result.snapshots.members.size(), 2u);
  const auto& members = result.snapshots.members;
  EXPECT_FALSE(weights(members[0].path)
                   .at("fc_w")
                   .equal(weights(members[1].path).at("fc_w")));
  EvalOptions eval;
  eval.data = o.base.data;
  eval.split = "val";
  eval.view.crops = 1;
  eval.run.threads = 1;
  auto files = members;
  files.push_back(result.snapshots.ensemble);
  for (const SavedSnapshot& file : files) {
    eval.model = file.path;
    const Metrics seen = evaluate_model(eval).main.metrics;
    EXPECT_DOUBLE_EQ(seen.top1, file.figures.accuracy.value()) << file.path;
    EXPECT_NEAR(seen.loss, file.figures.loss.value(), 1e-5) << file.path;
  }
  // The best epoch's figures are not theirs.
  const Json record = load_classifier(members[0].path).record;
  EXPECT_EQ(record["snapshot"]["val_accuracy"], members[0].figures.accuracy);
  for (const char* key : {"val", "test", "best_epoch"})
    EXPECT_TRUE(record[key].is_null()) << key;
  // Files of more snapshots than another run has are not its own.
  o.mix.snapshots = 1;
  o.schedule.cycle_growth.reset();
  const auto again = train(o);
  EXPECT_EQ(again.snapshots.stale,
            (std::vector<std::string>{members[1].path,
                                      result.snapshots.ensemble.path}));
  EXPECT_NE(again.notes.back().find("of an earlier run"), std::string::npos);
}

TEST_F(Repertoire, SaysWhatTrainingWasTooShortFor) {
  auto o = options("none");
  o.base.plan.epochs = 2;
  o.mix.snapshots = 100;
  EXPECT_FAULT(train(o), Fault::usage, "--snapshots 100: the rate cannot fall");
  o.base.plan.epochs = 8;
  o.base.plan.lr = 0;  // so that no epoch is more accurate
  o.base.plan.backbone_lr = 0;
  o.regularise.bn_statistics = BatchNormStatistics::running;
  o.mix.snapshots = 2;
  o.optim.patience = 1;
  EXPECT_EQ(train(o).notes.back(),
            "--snapshots 2: only 0 were taken before training ended");
  o = options("none");
  o.base.plan.epochs = 2;
  o.mix.average = WeightAverage::swa;
  EXPECT_NE(train(o).notes.back().find("too few epochs to average"),
            std::string::npos);
  o.base.plan.deeper = true;
  o.mix.snapshots = 2;
  EXPECT_FAULT(o.validate(), Fault::usage, "--deeper");
}

TEST_F(Repertoire, BatchNormsAreMeasuredAnewWithTheBestWeights) {
  auto o = options("none");
  o.base.plan.epochs = 3;
  o.regularise.bn_momentum = 0.001;  // statistics that lag far behind
  o.base.plan.backbone_lr = 0.01;
  const auto plain = train(o);
  const auto before = weights(o.out);
  o.mix.bn_reestimate = true;
  const auto result = train(o);
  ASSERT_TRUE(result.batch_norms);
  ASSERT_TRUE(result.batch_norms->kept);
  EXPECT_EQ(result.val->main.metrics.top1, saved_figures(result).accuracy);
  EXPECT_NEAR(result.val->main.metrics.loss, *saved_figures(result).loss, 1e-5);
  EXPECT_GE(*saved_figures(result).accuracy, *saved_figures(plain).accuracy);
  // Nothing but them changes.
  for (const auto& [name, tensor] : weights(o.out)) {
    const bool norm = is_statistic(name);
    EXPECT_NE(tensor.equal(before.at(name)), norm) << name;
  }
  o.regularise.bn_momentum.reset();
  o.regularise.bn_statistics = BatchNormStatistics::running;
  EXPECT_FAULT(train(o), Fault::usage, "--bn-reestimate");
  // An option that is for the trained blocks alone does not change the head.
  o = options("all");
  o.mix.bn_reestimate = true;
  const auto solved = train(o);
  EXPECT_TRUE(solved.head);
  EXPECT_FALSE(solved.batch_norms);
}

TEST_F(Repertoire, WithoutValidationNothingIsChosenByIt) {
  auto o = options("none");
  o.base.plan.epochs = 10;
  ImageFolder folder = scan_image_folder(o.base.data, o.base.data_options);
  folder.val.clear();
  const auto plain = train(o, {}, &folder);
  const auto last = weights(o.out);
  // A soup of epochs that nobody judged would be any epochs.
  o.mix.average = WeightAverage::soup;
  const auto soup = train(o, {}, &folder);
  EXPECT_TRUE(soup.soup.empty());
  EXPECT_NE(soup.notes.back().find("no validation pictures"),
            std::string::npos);
  for (const auto& [name, tensor] : weights(o.out))
    EXPECT_TRUE(tensor.equal(last.at(name))) << name;
  // The training loss falls, so that there is no plateau in epoch after epoch.
  o.mix.average = WeightAverage::none;
  o.schedule.schedule = ScheduleKind::plateau;
  o.schedule.warmup = 0;
  const auto plateau = train(o, {}, &folder);
  EXPECT_GT(plateau.epochs.back().head_lr, 1e-3 * plateau.plan.head_lr);
}

TEST_F(Repertoire, SaysWhichOptionsAPlanLeavesNothingToDo) {
  const auto notes = [&](const TrainOptions& o) {
    std::string all;
    for (const std::string& note : train(o).notes) all += note + "\n";
    return all;
  };
  auto o = options("all");
  o.schedule.schedule = ScheduleKind::step;
  o.regularise.stochastic_depth = 0.5;
  o.optim.patience = 3;
  const std::string solved = notes(o);
  for (const char* flag :
       {"--batch-size", "--patience", "--schedule", "--stochastic-depth"})
    EXPECT_NE(solved.find(flag), std::string::npos) << solved;
  EXPECT_NE(solved.find("not used, as the head alone is trained, by L-BFGS"),
            std::string::npos)
      << solved;
  EXPECT_EQ(solved.find("--epochs"), std::string::npos) << solved;
  EXPECT_FALSE(train(o).regularised);
  // By steps, what is for the head counts, and what is for blocks does not.
  o.regularise.stochastic_depth = 0;
  o.optim.optimizer = OptimizerKind::adam;
  o.base.plan.backbone_lr = 0.1;
  EXPECT_EQ(notes(o).find("--backbone-lr: not used, as the head alone"), 0u)
      << notes(o);
  o.regularise.stochastic_depth = 0.5;
  EXPECT_FAULT(train(o), Fault::usage, "--stochastic-depth");
  o = options("1");
  o.optim.head_l2 = 1;
  EXPECT_EQ(notes(o).find("--head-l2: not used"), 0u) << notes(o);
  EXPECT_EQ(notes(options("1")), "");
}

TEST_F(Repertoire, CutmixTakesFeaturesThatHavePlaces) {
  auto o = options("all");
  o.mix.cutmix = 1;
  EXPECT_FAULT(train(o), Fault::usage, "--cutmix pastes rectangles");
  o.base.plan.freeze_until = "1";
  EXPECT_EQ(train(o).diverged, "");
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
