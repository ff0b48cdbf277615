#include "engraft/train/curves.h"

#include <gtest/gtest.h>
#include <torch/nn/utils/clip_grad.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "engraft/train/live_chain.h"
#include "engraft/train/optimizer.h"
#include "support/expect_fault.h"
#include "support/tiny_images.h"
#include "support/tiny_models.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

EpochCurves second_epoch() {
  EpochCurves out;
  out.epoch = 2;
  out.step = 14;
  out.stage = "blocks";
  out.train_loss = 0.5;
  out.train_accuracy = 0.75;
  out.val_loss = 0.625;
  out.val_accuracy = 0.875;
  out.head_lr = 0.25;
  out.backbone_lr = 0.125;
  out.blocks = {{"layer3", 1.5, 0.0625}, {"head", 2.5, 0.03125}};
  return out;
}

std::vector<Json> lines_of(const std::string& path) {
  std::vector<Json> out;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);)
    out.push_back(Json::parse(line));
  return out;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(folder))
    out.push_back(entry.path().filename());
  return out;
}

std::string only_event_file(const std::string& folder) {
  const auto names = names_in(folder);
  EXPECT_EQ(names.size(), 1u);
  const auto bytes = test::read_all(folder + "/" + names.at(0));
  return {bytes.begin(), bytes.end()};
}

TEST(CurvePaths, LieBesideTheModel) {
  EXPECT_EQ(curve_paths("out/pets.pt").lines, "out/pets.curves.jsonl");
  EXPECT_EQ(curve_paths("out/pets.pt").folder, "out/pets.tensorboard");
  // The ending of another name tells models apart: it stays.
  EXPECT_EQ(curve_paths("pets.v2").lines, "pets.v2.curves.jsonl");
  EXPECT_EQ(curve_paths("a.pt/pets").folder, "a.pt/pets.tensorboard");
}

TEST(CurveWriter, ALineHoldsTheNumbersOfItsEpoch) {
  const TempFolder folder;
  CurveWriter writer(folder / "pets.pt");
  EpochCurves first;
  first.epoch = 1;
  first.stage = "head";
  first.train_loss = 2;
  writer.write(first);
  writer.write(second_epoch());
  // Read while the writer lives: nothing waits in it.
  const auto lines = lines_of(folder / "pets.curves.jsonl");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["blocks"], Json::array());
  EXPECT_EQ(lines[1], Json::parse(R"({
    "epoch": 2, "step": 14, "stage": "blocks",
    "train_loss": 0.5, "train_accuracy": 0.75,
    "val_loss": 0.625, "val_accuracy": 0.875,
    "head_lr": 0.25, "backbone_lr": 0.125,
    "blocks": [
      {"name": "layer3", "gradient_norm": 1.5, "update_ratio": 0.0625},
      {"name": "head", "gradient_norm": 2.5, "update_ratio": 0.03125}]})"));
}

TEST(CurveWriter, WhatIsNoFiniteNumberIsNullAndNoPoint) {
  const TempFolder folder;
  EpochCurves curves = second_epoch();
  curves.val_loss = curves.val_accuracy = kNoPoint;
  curves.blocks[0].gradient_norm = kInfinity;
  curves.blocks[1].update_ratio = -kInfinity;
  CurveWriter(folder / "pets.pt").write(curves);
  const auto line = lines_of(folder / "pets.curves.jsonl").at(0);
  EXPECT_TRUE(line["val_loss"].is_null());
  EXPECT_TRUE(line["val_accuracy"].is_null());
  EXPECT_TRUE(line["blocks"][0]["gradient_norm"].is_null());
  EXPECT_TRUE(line["blocks"][1]["update_ratio"].is_null());
  EXPECT_EQ(line["train_loss"], 0.5);
  const std::string events = only_event_file(folder / "pets.tensorboard");
  for (const char* tag :
       {"loss/train", "accuracy/train", "lr/head", "lr/backbone",
        "gradient_norm/head", "update_ratio/layer3"})
    EXPECT_NE(events.find(tag), std::string::npos) << tag;
  for (const char* tag : {"loss/val", "accuracy/val", "gradient_norm/layer3",
                          "update_ratio/head"})
    EXPECT_EQ(events.find(tag), std::string::npos) << tag;
}

TEST(CurveWriter, ASecondRunStartsAnew) {
  const TempFolder folder;
  for (const int64_t epochs : {3, 1}) {
    CurveWriter writer(folder / "pets.pt");
    for (int64_t i = 1; i <= epochs; ++i) {
      EpochCurves curves = second_epoch();
      curves.epoch = i;
      curves.blocks[0].name = "run" + std::to_string(epochs);
      writer.write(curves);
    }
    test::write_text(folder / "pets.tensorboard/notes", "mine");
  }
  const auto lines = lines_of(folder / "pets.curves.jsonl");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["blocks"][0]["name"], "run1");
  EXPECT_TRUE(fs::remove(folder / "pets.tensorboard/notes"));
  const std::string events = only_event_file(folder / "pets.tensorboard");
  EXPECT_EQ(events.find("run3"), std::string::npos);
  EXPECT_NE(events.find("run1"), std::string::npos);
}

TEST(CurveWriter, SaysWhatCannotBeWritten) {
  const TempFolder folder;
  EXPECT_FAULT(
      CurveWriter(folder / "none/pets.pt"), Fault::io,
      (folder / "none/pets.curves.jsonl") + ": curves cannot be written");
  test::write_text(folder / "dogs.tensorboard", "a file");
  EXPECT_FAULT(CurveWriter(folder / "dogs.pt"), Fault::io,
               (folder / "dogs.tensorboard") + ": curves cannot be written");
  fs::create_symlink("/dev/full", folder / "pets.curves.jsonl");
  CurveWriter writer(folder / "pets.pt");
  EXPECT_FAULT(writer.write(second_epoch()), Fault::io,
               "No space left on device");
}

torch::Tensor weight(const std::vector<float>& values) {
  return torch::tensor(values).requires_grad_(true);
}

TEST(BlockWatch, TwoStepsOfSgdByHand) {
  // Block a: w = (3, 4 | 12), |w| = 13. Block b starts at zero.
  auto a0 = weight({3, 4}), a1 = weight({12}), b = weight({0, 0});
  OptimOptions options;
  options.optimizer = OptimizerKind::sgd;
  options.momentum = 0;
  const auto optimizer = make_optimizer({{{a0, a1, b}, 0.5, 0}}, options);
  BlockWatch watch({{"a", {a0, a1}}, {"b", {b}}});

  // g = (2, 3 | 6), |g| = 7: |dw| = 3.5. Of b the gradient is (0, 8): w = 0.
  a0.mutable_grad() = torch::tensor({2.0F, 3.0F});
  a1.mutable_grad() = torch::tensor({6.0F});
  b.mutable_grad() = torch::tensor({0.0F, 8.0F});
  watch.before_step();
  optimizer->step();
  watch.after_step();

  // Now w = (2, 2.5 | 9), b = (0, -4). g = (0, 1 | undefined): |dw| = 0.5.
  a0.mutable_grad() = torch::tensor({0.0F, 1.0F});
  a1.mutable_grad() = torch::Tensor();
  b.mutable_grad() = torch::tensor({6.0F, 0.0F});
  watch.before_step();
  optimizer->step();
  watch.after_step();

  const auto curves = watch.take();
  ASSERT_EQ(curves.size(), 2u);
  EXPECT_EQ(curves[0].name, "a");
  EXPECT_EQ(curves[1].name, "b");
  // 1e-6: single precision.
  EXPECT_NEAR(curves[0].gradient_norm, std::sqrt((49.0 + 1.0) / 2), 1e-6);
  EXPECT_NEAR(curves[1].gradient_norm, std::sqrt((64.0 + 36.0) / 2), 1e-6);
  EXPECT_NEAR(curves[0].update_ratio,
              (3.5 / 13 + 0.5 / std::sqrt(4 + 6.25 + 81)) / 2, 1e-6);
  EXPECT_NEAR(curves[1].update_ratio, (0 + 3.0 / 4) / 2, 1e-6);

  // What was taken is gone; the next mean is over the next steps alone.
  EXPECT_TRUE(std::isnan(watch.take()[0].gradient_norm));
  watch.before_step();
  watch.after_step();
  EXPECT_NEAR(watch.take()[0].gradient_norm, 1, 1e-6);
}

TEST(BlockWatch, AWeightThatIsNoNumberIsNotHidden) {
  auto w = weight({std::nanf("")});
  BlockWatch watch({{"w", {w}}});
  watch.before_step();
  watch.after_step();
  const auto curve = watch.take().at(0);
  EXPECT_EQ(curve.gradient_norm, 0);
  EXPECT_TRUE(std::isnan(curve.update_ratio));
}

/// One step of the tiny model with its blocks from `cut` on thawed.
struct TinyStep {
  explicit TinyStep(int64_t cut)
      : model(make_classifier(tiny::residual(), tiny::input())),
        chain(model),
        live(chain, cut) {
    live.forward(torch::randn({4, 3, 16, 16})).square().sum().backward();
  }
  Classifier model;
  BlockChain chain;
  LiveChain live;
};

TEST(BlockWatch, WatchesWhatIsTrainedAndNothingElse) {
  for (const int64_t cut : {0, 1}) {
    const TinyStep step(cut);
    const auto blocks = watched_blocks(step.chain, step.live.cut());
    std::vector<torch::Tensor> all;
    for (const WatchedBlock& block : blocks)
      all.insert(all.end(), block.tensors.begin(), block.tensors.end());
    const auto parameters = step.live.live_parameters();
    ASSERT_EQ(all.size(), parameters.size());
    for (size_t i = 0; i < all.size(); ++i)
      EXPECT_TRUE(all[i].is_same(parameters[i]));
    EXPECT_EQ(blocks.front().name, step.chain.block(cut).name);
    EXPECT_EQ(blocks.back().name, "head");
  }
}

TEST(BlockWatch, BlocksAddUpToTheWholeGradient) {
  const TinyStep step(0);
  BlockWatch watch(watched_blocks(step.chain, 0));
  watch.before_step();
  watch.after_step();
  double squares = 0;
  for (const BlockCurve& block : watch.take()) {
    EXPECT_GT(block.gradient_norm, 0) << block.name;
    EXPECT_EQ(block.update_ratio, 0) << block.name;
    squares += block.gradient_norm * block.gradient_norm;
  }
  // A limit that changes nothing: its norm of the whole.
  const double whole =
      torch::nn::utils::clip_grad_norm_(step.live.live_parameters(), 1e30);
  EXPECT_NEAR(std::sqrt(squares) / whole, 1, 1e-5);
}

TEST(BlockWatch, ATensorOfTwoBlocksIsCountedOnce) {
  const Classifier model = make_classifier(tiny::tied(), tiny::input());
  BlockChain chain(model);
  const LiveChain live(chain, 0);
  size_t count = 0;
  for (const WatchedBlock& block : watched_blocks(chain, 0))
    count += block.tensors.size();
  EXPECT_EQ(count, live.live_parameters().size());
}

}  // namespace
}  // namespace engraft
