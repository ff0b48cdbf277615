#include "engraft/train/trainer.h"

#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/types.h>

#include <filesystem>
#include <limits>
#include <map>

#include "engraft/model/surgery.h"
#include "engraft/train/live_chain.h"
#include "support/expect_fault.h"
#include "support/tiny_images.h"
#include "support/tiny_models.h"
#include "support/tiny_training.h"

namespace engraft {
namespace {

class Train : public test::TinyTraining {};

TEST_F(Train, FrozenBlocksKeepEveryBitAndLiveOnesMove) {
  auto o = options("1");
  o.base.plan.head_epochs = 0;  // a solved head can be the best epoch
  o.regularise.bn_statistics = BatchNormStatistics::batch;
  const auto result = train(o);
  const auto before = weights(folder_ / "model.pt");
  const auto after = weights(folder_ / "out.pt");
  EXPECT_GT(result.frozen_tensors, 0);
  // Block 0 is c1 and its norm; running statistics belong to it.
  for (const std::string name : {"c1", "n1_w", "n1_b", "n1_mean", "n1_var"})
    EXPECT_TRUE(after.at(name).equal(before.at(name))) << name;
  for (const std::string name : {"c2", "n2_w", "n2_mean", "c5", "n5_var"})
    EXPECT_FALSE(after.at(name).equal(before.at(name))) << name;
}

TEST_F(Train, HeadAloneMovesNothingElse) {
  train(options("all"));
  const auto before = weights(folder_ / "model.pt");
  const auto after = weights(folder_ / "out.pt");
  for (const auto& [name, tensor] : before)
    if (name != "fc_w" && name != "fc_b") {
      EXPECT_TRUE(after.at(name).equal(tensor)) << name;
    }
}

TEST_F(Train, LearnsAndTheFileSaysSo) {
  auto o = options("none");
  o.base.plan.epochs = 15;
  o.base.plan.lr = 0.02;
  o.base.run.device = "cpu";
  const auto result = train(o);
  EXPECT_GE(result.val->main.metrics.top1, 0.9);
  EXPECT_EQ(to_json(result)["device"], "cpu");
  const Classifier saved = load_classifier(o.out);
  EXPECT_EQ(saved.classes, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(saved.record["format"], 1);
  EXPECT_EQ(saved.input.crop, 16);
  EXPECT_EQ(saved.record["device"], "cpu");
  EXPECT_EQ(saved.record["best_epoch"], result.best_epoch);
  EXPECT_EQ(saved.record["val"]["top1"], result.val->main.metrics.top1);
}

TEST_F(Train, TheSameSeedGivesTheSameFileWithAnyNumberOfThreads) {
  auto o = options("none");
  train(o);
  const auto first = test::read_all(o.out);
  o.base.run.threads = 8;
  o.out = folder_ / "second.pt";
  train(o);
  EXPECT_TRUE(test::read_all(o.out) == first);
  const auto second = weights(o.out);
  o.base.run.seed = 1;
  train(o);
  EXPECT_FALSE(weights(o.out).at("fc_w").equal(second.at("fc_w")));
}

TEST_F(Train, ViewsAsManyAsEpochsAreTheRunWithoutACache) {
  auto o = options("1");
  o.base.cache.cache = folder_ / "cache";
  o.base.plan.views = o.base.plan.epochs;
  const auto kept = train(o);
  EXPECT_EQ(kept.activations.precision, CachePrecision::f32);
  const auto with_cache = weights(o.out);
  o.base.plan.views = 0;
  EXPECT_EQ(train(o).activations.computed, 0);
  for (const auto& [name, tensor] : weights(o.out))
    EXPECT_TRUE(with_cache.at(name).equal(tensor)) << name;
  o.base.plan.views = 1;
  o.base.plan.head_epochs = 0;
  train(o);
  EXPECT_FALSE(weights(o.out).at("c2").equal(with_cache.at("c2")));
}

TEST_F(Train, ASecondRunStartsFromTheCacheAndGivesTheSameFile) {
  for (const char* freeze : {"all", "1"}) {
    auto o = options(freeze);
    o.base.cache.cache = folder_ / ("cache" + std::string(freeze));
    const auto cold = train(o);
    EXPECT_GT(cold.activations.computed, 0);
    const auto first = test::read_all(o.out);
    const auto warm = train(o);
    EXPECT_EQ(warm.activations.computed, 0);
    EXPECT_EQ(warm.activations.found, cold.activations.computed);
    EXPECT_TRUE(test::read_all(o.out) == first) << freeze;
  }
}

TEST_F(Train, TheHeadAloneIsSolvedInOneEpoch) {
  const auto result = train(options("all"));
  ASSERT_TRUE(result.head);
  EXPECT_EQ(result.epochs.size(), 1u);
  EXPECT_TRUE(result.epochs[0].solved);
  EXPECT_FALSE(result.head->trials.empty());
  EXPECT_GE(result.val->main.metrics.top1, 0.9);
  // What the record says of the training views is what the file gives.
  EXPECT_EQ(load_classifier(folder_ / "out.pt").record["best_epoch"], 1);
}

/// A head that no linear system gives.
class TrainInEpochs : public test::TinyTraining {
 protected:
  void expect(const torch::jit::Module& model, const std::string& refusal) {
    model.save(folder_ / "model.pt");
    const auto o = options("all");
    const auto result = train(o);
    EXPECT_FALSE(result.head);
    EXPECT_FALSE(result.epochs.at(0).solved);
    EXPECT_EQ(result.epochs.size(), 4u);
    EXPECT_FAULT(train(by_lbfgs(o)), Fault::usage, refusal);
  }
};

TEST_F(TrainInEpochs, AHeadThatIsNoLinearLayer) {
  expect(tiny::conv_head(), "--optimizer adam");
}

TEST_F(TrainInEpochs, ALinearLayerWithMoreBehindIt) {
  // By its kind it is one; only what it computes tells.
  expect(tiny::ending("relu"), "more than that");
}

TEST_F(Train, DeeperGoesOnFromWhatThePlanChooses) {
  auto o = options("1");
  o.base.plan.deeper = true;
  EXPECT_FAULT(train(o), Fault::usage, "--deeper and --freeze-until 1");
}

TEST_F(Train, DeeperBlocksAreTrainedAfterThoseOfThePlan) {
  // Classes that no head tells apart leave room for blocks to learn.
  cv::RNG random(1);
  for (int i = 0; i < 40; ++i) {
    cv::Mat noise(24, 24, CV_8UC3);
    random.fill(noise, cv::RNG::UNIFORM, 0, 255);
    test::write_picture(folder_ / ("noise/" + std::to_string(i % 2) + "/" +
                                   std::to_string(i) + ".png"),
                        noise);
  }
  auto o = options("auto");
  o.base.data = folder_ / "noise";
  o.base.plan.similarity = SimilarityClass::different;
  o.base.plan.size = SizeClass::small;
  o.base.plan.epochs = 3;
  o.base.plan.deeper = true;
  ImageFolder found = scan_image_folder(o.base.data, {}, 1, "");
  found.val.clear();  // by which nothing proves itself, so the plan is believed
  const auto result = train(o, {}, &found);
  ASSERT_EQ(result.plan.deeper.size(), 1u);
  const int64_t cut = result.plan.deeper[0].cut;
  EXPECT_LT(cut, result.plan.freeze_until);
  EXPECT_EQ(std::ssize(result.epochs), 3 + result.plan.deeper[0].epochs);
  ASSERT_EQ(result.proofs.size(), 2u);
  EXPECT_EQ(result.proofs[1].to, "blocks from " + std::to_string(cut) + " on");
  EXPECT_LT(result.epochs.back().backbone_lr, result.epochs[2].backbone_lr);
  // All stages are counted: what the plan looked at was there for the head.
  EXPECT_EQ(result.activations.found, std::ssize(found.train));
  EXPECT_GT(result.activations.computed, std::ssize(found.train));
  // The first of these blocks has other weights now, the one before has not.
  const BlockChain chain(result.classifier);
  const auto before = weights(o.base.model), after = weights(o.out);
  for (const int64_t block : {cut - 1, cut})
    for (const NamedTensor& t : chain.block(block).tensors) {
      if (t.is_buffer) continue;
      EXPECT_EQ(after.at(t.name).equal(before.at(t.name)), block < cut)
          << t.name;
    }
}

TEST_F(Train, LbfgsSolvesForTheHeadAndRefusesBlocks) {
  auto o = options("auto");
  o.base.plan.size = SizeClass::large;
  o.base.plan.similarity = SimilarityClass::different;
  o = by_lbfgs(o);
  const auto result = train(o);
  EXPECT_TRUE(result.head);
  EXPECT_EQ(result.epochs.size(), 1u);
  EXPECT_EQ(result.plan.freeze_until,
            BlockChain(result.classifier).num_blocks());
  o.base.plan.freeze_until = "none";
  // All parameters of tiny::traced but the head's.
  int64_t weights = 0;
  for (const auto& p : torch::jit::load(o.base.model).named_parameters())
    if (p.name.rfind("fc_", 0) != 0) weights += p.value.numel();
  EXPECT_FAULT(train(o), Fault::usage, std::to_string(weights) + " weights");
}

TEST_F(Train, LbfgsRefusesWhatIsForSteps) {
  const std::vector<std::pair<std::string, void (*)(TrainOptions&)>> flags = {
      {"--epochs", [](TrainOptions& o) { o.base.plan.epochs = 3; }},
      {"--lr", [](TrainOptions& o) { o.base.plan.lr = 0.1; }},
      {"--backbone-lr", [](TrainOptions& o) { o.base.plan.backbone_lr = 0.1; }},
      {"--block-decay", [](TrainOptions& o) { o.base.plan.block_decay = 0.5; }},
      {"--head-epochs", [](TrainOptions& o) { o.base.plan.head_epochs = 1; }},
      {"--batch-size", [](TrainOptions& o) { o.base.plan.batch_size = 4; }},
      {"--deeper", [](TrainOptions& o) { o.base.plan.deeper = true; }},
      {"--find-lr", [](TrainOptions& o) { o.optim.find_lr = true; }},
      {"--patience", [](TrainOptions& o) { o.optim.patience = 3; }},
      {"--precision",
       [](TrainOptions& o) { o.optim.precision = TrainPrecision::bf16; }},
      {"--schedule",
       [](TrainOptions& o) { o.schedule.schedule = ScheduleKind::linear; }},
      {"--warmup", [](TrainOptions& o) { o.schedule.warmup = 0.2; }},
      {"--dropout", [](TrainOptions& o) { o.regularise.dropout = 0.2; }},
      {"--stochastic-depth",
       [](TrainOptions& o) { o.regularise.stochastic_depth = 0.2; }},
      {"--mixup", [](TrainOptions& o) { o.mix.mixup = 0.2; }},
      {"--weight-average",
       [](TrainOptions& o) { o.mix.average = WeightAverage::ema; }}};
  for (const auto& [flag, set] : flags) {
    auto o = by_lbfgs(options("auto"));
    o.validate();
    set(o);
    EXPECT_FAULT(o.validate(), Fault::usage, flag + " is for training by");
  }
}

TEST_F(Train, MiniBatchOptimizersTrainTheHeadToo) {
  auto o = options("all");
  o.optim.optimizer = OptimizerKind::adam;
  const auto result = train(o);
  EXPECT_FALSE(result.head);
  EXPECT_EQ(result.epochs.size(), 4u);
}

TEST_F(Train, AccumulatedBatchesAreOneLargeBatch) {
  tiny::tied().save(folder_ / "model.pt");  // no dropout, no batch norm
  auto o = options("all");
  o.optim.optimizer = OptimizerKind::sgd;
  o.base.plan.lr = 0.1;
  o.base.plan.batch_size = 10;  // the last one of an epoch is smaller
  train(o);
  const auto large = weights(o.out);
  o.base.plan.batch_size = 5;
  const auto alone = train(o);
  EXPECT_FALSE(torch::allclose(weights(o.out).at("fc_w"), large.at("fc_w")));
  o.optim.accumulate = 2;
  train(o);
  EXPECT_TRUE(
      torch::allclose(weights(o.out).at("fc_w"), large.at("fc_w"), 1e-4, 1e-6));
}

TEST_F(Train, TheBestEpochIsWhatIsSaved) {
  const auto result = train(options("none"));
  const EpochResult& best = result.epochs[result.best_epoch - 1];
  EXPECT_EQ(result.val->one_crop.metrics.top1, best.val_accuracy);
  EXPECT_NEAR(result.val->one_crop.metrics.loss, best.val_loss, 1e-5);
}

/// Of runs in which no epoch is more accurate than the first.
class Patience : public Train {
 protected:
  TrainResult train_in_vain(const std::string& freeze_until, int64_t epochs,
                            int64_t patience,
                            std::optional<int64_t> head_epochs = {}) {
    auto o = options(freeze_until);
    o.optim.optimizer = OptimizerKind::sgd;
    o.base.plan.lr = 0;
    if (head_epochs) o.base.plan.backbone_lr = 0;
    o.base.plan.epochs = epochs;
    o.base.plan.head_epochs = head_epochs;
    o.optim.patience = patience;
    return train(o);
  }
};

TEST_F(Patience, CountsEpochsThatAreNotMoreAccurate) {
  const auto result = train_in_vain("all", 9, 3);
  EXPECT_TRUE(result.early_stopped);
  EXPECT_EQ(result.epochs.size(), 4u);
  EXPECT_TRUE(result.epochs[0].best);
  EXPECT_FALSE(result.epochs[1].best);
  EXPECT_EQ(result.best_epoch, 4);  // the latest that is not worse
}

TEST_F(Patience, OfBlocksDoesNotCountTheirHeadsEpochs) {
  const auto result = train_in_vain("1", 9, 2, 2);
  EXPECT_TRUE(result.early_stopped);
  EXPECT_EQ(result.epochs.size(), 4u);
}

TEST_F(Patience, ThatEndsTheHeadsStageLeavesBlocksTheirs) {
  const auto result = train_in_vain("1", 9, 2, 5);
  std::vector<std::string> stages;
  for (const EpochResult& epoch : result.epochs) {
    EXPECT_EQ(epoch.epoch, std::ssize(stages) + 1);
    stages.push_back(epoch.stage);
  }
  EXPECT_EQ(stages, (std::vector<std::string>{"head", "head", "head", "blocks",
                                              "blocks"}));
  EXPECT_TRUE(result.early_stopped);
}

TEST_F(Patience, ThatEndsWithTheEpochsStopsNothing) {
  const auto result = train_in_vain("all", 4, 3);
  EXPECT_EQ(result.epochs.size(), 4u);
  EXPECT_FALSE(result.early_stopped);
}

TEST_F(Train, ScalesThatValidationDidNotSeeAreTested) {
  auto o = options("all");
  const auto own = train(o).val->views;
  ASSERT_EQ(own.size(), 1u);
  o.view.scales.values = {1, 1.5};
  const auto report = train(o).val;
  EXPECT_EQ(report->main.scales, o.view.scales.values);
  ASSERT_EQ(report->views.size(), 3u);
  EXPECT_EQ(report->views[0].view, own[0].view);
  EXPECT_NEAR(report->views[0].loss, own[0].loss, 1e-5);
  EXPECT_EQ(load_classifier(o.out).record["val"]["views"].size(), 3u);
}

TEST_F(Train, DivergenceIsNamedAndWritesNothing) {
  auto o = options("none");
  o.base.plan.lr = 10;
  o.base.plan.backbone_lr = 10;
  o.optim.optimizer = OptimizerKind::sgd;
  o.schedule.warmup = 0;
  o.optim.clip_norm = 0;
  EXPECT_FAULT(train(o), Fault::model, "--lr");
  EXPECT_FALSE(std::filesystem::exists(o.out));
}

TEST_F(Train, StoppingKeepsTheBestModelSoFar) {
  int64_t epochs = 0;
  TrainCallbacks callbacks;
  callbacks.epoch = [&](const EpochResult&) { ++epochs; };
  callbacks.stop = [&] { return epochs == 2; };
  const auto result = train(options("1"), callbacks);
  EXPECT_TRUE(result.interrupted);
  EXPECT_EQ(result.epochs.size(), 2u);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out.pt"));
}

TEST_F(Train, StoppingTheTestLosesNoTraining) {
  auto o = options("1");
  o.view.crops = 5;  // one crop is validation's own view: not tested anew
  TrainCallbacks callbacks;
  int64_t epochs = 0;
  callbacks.epoch = [&](const EpochResult&) { ++epochs; };
  callbacks.stop = [&] { return epochs == *o.base.plan.epochs; };
  const auto result = train(o, callbacks);
  EXPECT_TRUE(result.interrupted);
  EXPECT_FALSE(result.val);
  EXPECT_EQ(static_cast<int64_t>(result.epochs.size()), epochs);
  const Classifier saved = load_classifier(o.out);
  EXPECT_EQ(saved.record["best_epoch"], result.best_epoch);
  EXPECT_TRUE(saved.record["val"].is_null());
}

TEST_F(Train, WhatTheTestFoundIsNotWorthTheRest) {
  auto o = options("all");
  o.view.crops = 5;
  std::filesystem::create_directory(folder_ / "place");
  o.out = folder_ / "place/out.pt";
  TrainCallbacks callbacks;
  callbacks.progress = [&](const TrainProgress& now) {
    // Nothing can be written there any more.
    if (now.phase == "test" && std::filesystem::exists(folder_ / "place"))
      std::filesystem::rename(folder_ / "place", folder_ / "away");
  };
  const auto result = train(o, callbacks);
  EXPECT_GT(result.val->main.metrics.images, 0);
  ASSERT_FALSE(result.notes.empty());
  EXPECT_NE(result.notes.back().find("place/out.pt: cannot be written"),
            std::string::npos)
      << result.notes.back();
  EXPECT_NE(result.notes.back().find("is whole"), std::string::npos);
  EXPECT_TRUE(load_classifier(folder_ / "away/out.pt").record["val"].is_null());
}

TEST_F(Train, ABudgetMeasuresWithoutATrace) {
  auto o = options("all");
  o.base.plan.time = "10m";
  train(o);
  const auto before = weights(folder_ / "model.pt");
  const auto after = weights(o.out);
  for (const auto& [name, tensor] : before)
    if (name != "fc_w" && name != "fc_b") {
      EXPECT_TRUE(after.at(name).equal(tensor)) << name;
    }
}

TEST_F(Train, ThePlanCannotSeeALeakOfHeldOutLabels) {
  // Training pictures say nothing of their class; those held out wear it.
  cv::RNG random(5);
  const auto write = [&](const std::string& folder, const std::string& part,
                         int count, bool leak) {
    for (int c = 0; c < 3; ++c)
      for (int i = 0; i < count; ++i) {
        cv::Mat picture(24, 24, CV_8UC3);
        random.fill(picture, cv::RNG::UNIFORM, 0, 255);
        if (leak) picture = test::flat_picture(24, 24, cv::Scalar::all(90 * c));
        picture.at<uchar>(0, 0) = static_cast<uchar>(i);  // no copies
        test::write_picture(
            folder_ / (folder + "/" + part + "/" + std::to_string(c) + "/" +
                       std::to_string(i) + ".png"),
            picture);
      }
  };
  write("leak", "train", 20, false);
  std::filesystem::create_directory(folder_ / "none");
  std::filesystem::copy(folder_ / "leak/train", folder_ / "none/train",
                        std::filesystem::copy_options::recursive);
  for (const char* part : {"val", "test"}) {
    write("leak", part, 9, true);
    write("none", part, 9, false);
  }
  const auto planned = [&](const std::string& data) {
    auto o = options();
    o.base.data = folder_ / data;
    return to_json(make_plan(o.base).plan);
  };
  const Json leak = planned("leak");
  EXPECT_EQ(leak, planned("none"));
  EXPECT_LT(leak["evidence"]["depths"].back()["accuracy"], 0.6);
}

TEST_F(Train, ALastPictureAloneLeavesNumbers) {
  // Batch norm of pooled features, one value a channel and picture.
  const auto model = tiny::pooled_norm();
  model.save(folder_ / "model.pt");
  auto o = options("none");
  const auto pictures =
      std::ssize(scan_image_folder(o.base.data, {}, 1, "").train);
  o.base.plan.batch_size = pictures - 1;
  o.base.plan.head_epochs = 0;
  o.regularise.bn_statistics = BatchNormStatistics::batch;
  const auto result = train(o);
  EXPECT_EQ(result.diverged, "");
  for (const auto& [name, tensor] : weights(o.out))
    EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
}

TEST_F(Train, RefusesAFrozenGraphButTrainsItsHead) {
  tiny::frozen().save(folder_ / "model.pt");
  EXPECT_FAULT(train(options()), Fault::model, "--freeze-until all");
  EXPECT_FALSE(train(options("all")).epochs.empty());
  auto o = by_lbfgs(options("auto"));
  EXPECT_TRUE(train(o).head);
  o.base.plan.freeze_until = "none";
  EXPECT_FAULT(train(o), Fault::model, "--freeze-until all");
}

TEST_F(Train, WhatHasNoDerivativeIsTheModelsFault) {
  tiny::fast_attention(5, /*masked=*/true).save(folder_ / "model.pt");
  auto o = options("none");
  o.base.plan.head_epochs = 0;
  EXPECT_FAULT(train(o), Fault::model, "_native_multi_head_attention");
  o.base.plan.freeze_until = "all";
  EXPECT_GT(train(o).best_epoch, 0);
}

TEST_F(Train, AnUnwritableOutIsRefusedBeforeTheWork) {
  auto o = options();
  o.out = folder_ / "no/out.pt";
  bool planned = false;
  TrainCallbacks callbacks;
  callbacks.planned = [&](const auto&...) { planned = true; };
  EXPECT_FAULT(train(o, callbacks), Fault::io, "cannot be written");
  EXPECT_FALSE(planned);
}

TEST(LiveChain, ATensorSharedWithAFrozenBlockStaysFrozen) {
  Classifier model = make_classifier(tiny::tied(), tiny::input());
  BlockChain chain(model);
  const LiveChain live(chain, 2);  // c2 works in blocks 1 and 2
  EXPECT_FALSE(model.module.attr("c2").toTensor().requires_grad());
  EXPECT_TRUE(model.module.attr("fc_w").toTensor().requires_grad());
}

TEST(LiveChain, PutsTheGradientFlagsBack) {
  Classifier model = make_classifier(tiny::residual(), tiny::input());
  BlockChain chain(model);
  const auto weight = model.module.attr("c1").toTensor();
  const bool before = weight.requires_grad();
  { const LiveChain live(chain, 0); }
  EXPECT_EQ(weight.requires_grad(), before);
}

}  // namespace
}  // namespace engraft
