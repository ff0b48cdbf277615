#include "engraft/eval/evaluator.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>

#include "cli/colour_model.h"
#include "engraft/data/crops.h"
#include "engraft/data/image.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

using test::message_of;
using test::TempFolder;

TEST(AverageCrops, OfProbabilitiesIsTheMeanOfSoftmax) {
  torch::manual_seed(2);
  const auto logits = torch::randn({4, 10, 3}, torch::kFloat64);
  const auto expected = logits.softmax(2).mean(1).log();
  EXPECT_TRUE(
      torch::allclose(average_crops(logits, CropAverage::softmax), expected));
}

TEST(AverageCrops, OfLogitsIsTheSoftmaxOfTheirMean) {
  torch::manual_seed(3);
  const auto logits = torch::randn({4, 10, 3}, torch::kFloat64);
  const auto sums = logits.mean(1).exp();
  const auto expected = (sums / sums.sum(1, true)).log();
  EXPECT_TRUE(
      torch::allclose(average_crops(logits, CropAverage::logits), expected));
}

TEST(AverageCrops, SurvivesLargeLogits) {
  const auto logits = torch::tensor({1e4, 0.0, 0.0, 1e4}).reshape({1, 2, 2});
  const auto scores = average_crops(logits, CropAverage::softmax);
  EXPECT_NEAR(scores[0][0].item<double>(), std::log(0.5), 1e-9);
}

/// Pictures whose crops differ, labelled in turn.
struct Pictures {
  TempFolder folder;
  std::vector<Sample> samples;

  explicit Pictures(int count) {
    for (int i = 0; i < count; ++i)
      samples.push_back(
          {test::write_picture(folder / std::to_string(i) + ".png",
                               test::blob_picture(50, 70 + i, i)),
           i % 3, ""});
  }
};

EvaluatorOptions with_crops(int64_t crops) {
  EvaluatorOptions options;
  options.view.crops = crops;
  options.batch_size = 4;
  options.threads = 2;
  return options;
}

TEST(Evaluate, OnePassGivesTheFiguresOfTwo) {
  const Pictures pictures(7);
  const Classifier model = test::colour_classifier();
  const BlockChain chain(model);
  const auto [ten, centre, how, kinds] =
      evaluate(chain, model.input, pictures.samples, with_crops(10));
  const auto [one, same, also, kind] =
      evaluate(chain, model.input, pictures.samples, with_crops(1));
  EXPECT_EQ(ten.crops, 10);
  EXPECT_EQ(centre.crops, 1);
  EXPECT_EQ(centre.metrics.confusion, one.metrics.confusion);
  // 1e-6: convolutions of another batch size may sum in another order.
  EXPECT_NEAR(centre.metrics.loss, one.metrics.loss, 1e-6);
  EXPECT_NE(ten.metrics.loss, one.metrics.loss);
  EXPECT_GT(centre.seconds, 0);
  EXPECT_EQ(same.seconds, one.seconds);
  EXPECT_EQ(how.kind, InferenceKind::fused);  // 70 views: worth rewriting
  EXPECT_EQ(also.kind, InferenceKind::plain);
  ASSERT_EQ(kinds.size(), 2u);
  EXPECT_EQ(kinds[0].loss, centre.metrics.loss);
  EXPECT_EQ(kinds[1].loss, ten.metrics.loss);
  ASSERT_EQ(kind.size(), 1u);
  EXPECT_EQ(kind[0].loss, one.metrics.loss);
}

TEST(Evaluate, AveragesTheViewsOfEachPicture) {
  const Pictures pictures(3);
  const Classifier model = test::colour_classifier();
  const BlockChain chain(model);
  double loss = 0;
  for (const auto& sample : pictures.samples) {
    double mean = 0;
    for (const auto& view :
         evaluation_views(decode_image(sample.path), model.input, 5))
      mean += chain.logits(normalise(view, model.input).unsqueeze(0))
                  .softmax(1)[0][sample.label]
                  .item<double>() /
              5;
    loss -= std::log(mean) / 3;
  }
  const auto five =
      evaluate(chain, model.input, pictures.samples, with_crops(5)).main;
  EXPECT_NEAR(five.metrics.loss, loss, 1e-6);  // float32 softmax above
}

TEST(Evaluate, SeveralScalesJudgeEachAsItWouldBeAlone) {
  const Pictures pictures(6);
  const Classifier model = test::colour_classifier();
  const BlockChain chain(model);
  const auto with_scales = [&](std::vector<double> scales) {
    EvaluatorOptions options = with_crops(5);
    options.view.scales.values = std::move(scales);
    return evaluate(chain, model.input, pictures.samples, options);
  };
  const auto both = with_scales({1.5, 1});
  const auto larger = with_scales({1.5}), own = with_scales({1});
  EXPECT_EQ(both.main.crops, 5);
  EXPECT_EQ(both.main.scales, (std::vector<double>{1.5, 1}));
  EXPECT_EQ(both.one_crop.scales, (std::vector<double>{1}));
  EXPECT_EQ(larger.one_crop.scales, (std::vector<double>{1.5}));
  ASSERT_EQ(both.views.size(), 4u);
  // 1e-6: convolutions of another batch size may sum in another order.
  EXPECT_NEAR(both.one_crop.metrics.loss, own.one_crop.metrics.loss, 1e-6);
  EXPECT_NEAR(both.views[1].loss, larger.main.metrics.loss, 1e-6);
  EXPECT_NEAR(both.views[2].loss, own.main.metrics.loss, 1e-6);
  EXPECT_EQ(both.views[3].loss, both.main.metrics.loss);
  EXPECT_GT(std::abs(larger.main.metrics.loss - own.main.metrics.loss), 1e-4);
}

TEST(Evaluate, ReportsProgressUpToTheLastPicture) {
  const Pictures pictures(5);
  const Classifier model = test::colour_classifier();
  int64_t last = 0;
  evaluate(BlockChain(model), model.input, pictures.samples, with_crops(10), {},
           [&](int64_t done, int64_t total) {
             EXPECT_GT(done, last);
             EXPECT_EQ(total, 5);
             last = done;
           });
  EXPECT_EQ(last, 5);
}

EvalOptions colour_options(const TempFolder& folder) {
  EvalOptions options;
  options.model = test::write_colour_model(folder / "colours.pt");
  options.data = folder / "data";
  return options;
}

TEST(EvaluateModel, FindsTheModelsClassesByFolderNames) {
  const TempFolder folder;
  test::write_colour_data(folder / "data", 3);
  const Report report = evaluate_model(colour_options(folder));
  EXPECT_EQ(report.split, "all");
  EXPECT_EQ(report.main.metrics.images, 9);
  EXPECT_EQ(report.main.metrics.top1, 1.0);
  EXPECT_EQ(report.classes,
            (std::vector<std::string>{"sky, blue", "green", "red"}));
  const std::vector<std::vector<int64_t>> confusion{
      {3, 0, 0}, {0, 3, 0}, {0, 0, 3}};
  EXPECT_EQ(report.main.metrics.confusion, confusion);
}

TEST(EvaluateModel, TakesTheSplitThatWasAskedFor) {
  const TempFolder folder;
  test::write_colour_data(folder / "data/train", 4);
  test::write_colour_data(folder / "data/val", 2);
  EvalOptions options = colour_options(folder);
  EXPECT_EQ(evaluate_model(options).split, "val");
  EXPECT_EQ(evaluate_model(options).main.metrics.images, 6);
  options.split = "train";
  EXPECT_EQ(evaluate_model(options).main.metrics.images, 12);
  options.split = "test";
  EXPECT_NE(message_of(Fault::data, [&] { evaluate_model(options); })
                .find("--split all"),
            std::string::npos);
}

TEST(EvaluateModel, NamesWhatItLeavesOutAndSkips) {
  const TempFolder folder;
  test::write_colour_data(folder / "data", 3);
  for (int i = 10; i < 21; ++i)
    test::write_text(folder / ("data/red/" + std::to_string(i) + ".heic"), "");
  test::write_text(folder / "data/green/torn.png", "no picture");
  EvalOptions options = colour_options(folder);
  options.data_options.skip_unreadable = true;
  std::vector<std::string> notes;
  evaluate_model(options, {},
                 [&](const std::string& text) { notes.push_back(text); });
  const auto first = std::ranges::find(
      notes, folder / "data/red/10.heic" +
                 ": left out (not a picture that is read: .heic)");
  ASSERT_GE(notes.end() - first, 12);
  EXPECT_EQ(first[10], "and 1 more file left out");
  EXPECT_NE(first[11].find("torn.png: skipped ("), std::string::npos);
}

TEST(EvaluateModel, SaysHowToNameTheClassesOfANamelessModel) {
  const TempFolder folder;
  test::write_colour_data(folder / "data", 2);
  const EvalOptions options = colour_options(folder);
  std::filesystem::remove(folder / "colours.json");
  const auto message =
      message_of(Fault::model, [&] { evaluate_model(options); });
  EXPECT_NE(message.find("3 outputs"), std::string::npos) << message;
  EXPECT_NE(message.find("colours.json"), std::string::npos) << message;
}

}  // namespace
}  // namespace engraft
