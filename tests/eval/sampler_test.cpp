#include "eval/sampler.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "cli/colour_model.h"
#include "engraft/data/crops.h"
#include "engraft/data/image.h"
#include "engraft/eval/predict.h"
#include "eval/evaluate_sampled.h"
#include "support/expect_fault.h"
#include "support/tiny_images.h"
#include "support/tiny_models.h"
#include "support/tiny_steps.h"

namespace engraft {
namespace {

using test::TempFolder;

constexpr int64_t kSamples = 5, kSeed = 9;
constexpr double kDrop = 0.4;

SamplingOptions head_dropout() {
  SamplingOptions options;
  options.mc_samples = kSamples;
  options.head_dropout = kDrop;
  return options;
}

/// A model as `train` leaves it, without a file.
TestedModel tested(torch::jit::Module module, const Json& options,
                   int64_t freeze_until) {
  Classifier classifier = make_classifier(std::move(module), tiny::input());
  classifier.record = {{"options", options},
                       {"plan", {{"freeze_until", freeze_until}}}};
  BlockChain chain(classifier);
  return {std::move(classifier), std::move(chain)};
}

/// Pictures in `views` views through the colour model with masks drawn here, by
/// the definition of dropout: probabilities float64 [samples, N, C].
torch::Tensor by_hand(const std::vector<std::string>& paths, int64_t views) {
  torch::NoGradGuard no_grad;
  const Classifier model = test::colour_classifier();
  const BlockChain chain(model);
  std::vector<torch::Tensor> images;
  for (const auto& path : paths)
    for (const auto& view :
         evaluation_views(decode_image(path), model.input, views))
      images.push_back(normalise(view, model.input));
  const auto features =
      chain.run_frozen(torch::stack(images), 0, chain.num_blocks()).flatten(1);
  const auto weight = model.module.attr("weight").toTensor();
  const auto bias = model.module.attr("bias").toTensor();
  torch::manual_seed(kSeed);
  std::vector<torch::Tensor> out;
  for (int64_t s = 0; s < kSamples; ++s) {
    const auto mask =
        torch::empty_like(features).bernoulli_(1 - kDrop) / (1 - kDrop);
    out.push_back(torch::linear(features * mask, weight, bias)
                      .to(torch::kFloat64)
                      .softmax(1)
                      .reshape({std::ssize(paths), views, -1})
                      .mean(1));
  }
  return torch::stack(out);
}

/// Of one probability over the samples, with samples - 1 below.
double deviation(const torch::Tensor& p) {
  double sum = 0;
  for (int64_t s = 0; s < p.size(0); ++s)
    sum += std::pow(p[s].item<double>() - p.mean().item<double>(), 2);
  return std::sqrt(sum / static_cast<double>(p.size(0) - 1));
}

double entropy(const torch::Tensor& p) {
  double sum = 0;
  for (int64_t c = 0; c < p.size(0); ++c)
    sum -= p[c].item<double>() * std::log(p[c].item<double>());
  return sum;
}

class SampledPictures : public testing::Test {
 protected:
  SampledPictures() {
    for (int i = 0; i < 6; ++i) {
      paths_.push_back(test::write_picture(folder_ / std::to_string(i) + ".png",
                                           test::blob_picture(50, 60 + i, i)));
      samples_.push_back({paths_.back(), i % 3, ""});
    }
  }

  const TempFolder folder_;
  std::vector<std::string> paths_;
  std::vector<Sample> samples_;
};

TEST_F(SampledPictures, PredictGivesMeanAndSpread) {
  PredictOptions options;
  options.model = test::write_colour_model(folder_ / "m.pt");
  options.paths = paths_;
  options.top = 3;
  options.sampling = head_dropout();
  options.run.seed = kSeed;
  const auto expected = by_hand(paths_, 1);
  int64_t n = 0;
  predict(options, [&](const Prediction& seen) {
    const auto p = expected.select(1, n);  // [samples, C]
    ASSERT_EQ(seen.top.size(), 3u);
    double conditional = 0;
    for (int64_t s = 0; s < kSamples; ++s) conditional += entropy(p[s]);
    for (const auto& score : seen.top) {
      const auto own = p.select(1, score.index);
      EXPECT_NEAR(score.probability, own.mean().item<double>(), 1e-5);
      EXPECT_NEAR(score.spread.value(), deviation(own), 1e-5);
    }
    EXPECT_GT(seen.top[0].spread.value(), 1e-3);
    EXPECT_NEAR(seen.entropy.value(), entropy(p.mean(0)), 1e-5);
    EXPECT_NEAR(seen.mutual_information.value(),
                entropy(p.mean(0)) - conditional / kSamples, 1e-5);
    EXPECT_EQ(seen.path, paths_[n++]);
  });
  EXPECT_EQ(n, 6);
}

TEST_F(SampledPictures, EvaluationIsOfTheMeanProbabilities) {
  const auto mean = by_hand(paths_, 5).mean(0);
  auto labels = mean.argmax(1);
  for (const int64_t wrong : {1, 4}) labels[wrong] = (labels[wrong] + 1) % 3;
  for (int64_t i = 0; i < 6; ++i) samples_[i].label = labels[i].item<int64_t>();
  const Classifier classifier = test::colour_classifier();
  TestedModel model{classifier, BlockChain(classifier)};
  const Sampler sampler(model, head_dropout(), kSeed);
  EvaluatorOptions options;
  options.view.crops = 5;
  options.inference = InferenceKind::plain;
  const SampledTest seen =
      evaluate_sampled(model, sampler, samples_, options, {});
  const Metrics expected = compute_metrics(mean.log(), labels);
  EXPECT_EQ(seen.evaluation.metrics.images, 6);
  EXPECT_EQ(seen.evaluation.metrics.confusion, expected.confusion);
  EXPECT_NEAR(seen.evaluation.metrics.loss, expected.loss, 1e-5);
  EXPECT_GT(seen.evaluation.seconds, 0);
  ASSERT_EQ(seen.uncertainty.size(), 4u);
  // Of the four the one that needs no spread, by hand.
  const auto doubt = 1 - std::get<0>(mean.max(1));
  const auto right = mean.argmax(1) == labels;
  const Separation hand = separation("1 - probability", doubt, right);
  EXPECT_EQ(seen.uncertainty[0].measure, hand.measure);
  EXPECT_NEAR(seen.uncertainty[0].right.value(), hand.right.value(), 1e-5);
  EXPECT_NEAR(seen.uncertainty[0].wrong.value(), hand.wrong.value(), 1e-5);
  EXPECT_NEAR(seen.uncertainty[0].auroc.value(), hand.auroc.value(), 1e-9);
}

TEST_F(SampledPictures, PredictWithoutMasksIsTheSameAsBefore) {
  PredictOptions options;
  options.model = test::write_colour_model(folder_ / "m.pt");
  options.paths = {paths_[0]};
  predict(options, [](const Prediction& seen) {
    EXPECT_FALSE(seen.top[0].spread.has_value());
    EXPECT_FALSE(seen.entropy.has_value());
    EXPECT_FALSE(to_json(seen).contains("spread"));
  });
}

TEST(Sampler, TakesWhatTheRecordHasAndFlagsOverIt) {
  TestedModel model = tested(
      tiny::residual(),
      {{"head-dropout", 0.3}, {"drop-connect", 0.2}, {"dropout", nullptr}}, 0);
  SamplingOptions options;
  options.mc_samples = 3;
  const Sampler recorded(model, options, 0);
  EXPECT_EQ(recorded.noise().head_dropout, 0.3);
  EXPECT_EQ(recorded.noise().drop_connect, 0.2);
  EXPECT_FALSE(recorded.noise().dropout.has_value());
  EXPECT_NE(recorded.text().find("head dropout 0.3, DropConnect 0.2, from"),
            std::string::npos)
      << recorded.text();
  options.head_dropout = 0;
  const Sampler given(model, options, 0);
  EXPECT_EQ(given.noise().head_dropout, 0);
  EXPECT_EQ(given.noise().drop_connect, 0.2);
}

TEST(Sampler, LeavesBlocksAloneThatWereFrozen) {
  const Json everywhere{{"drop-connect", 0.5}, {"drop-connect-on", "all"}};
  SamplingOptions options;
  options.mc_samples = 3;
  for (const int64_t cut : {0, 2}) {
    TestedModel model = tested(tiny::traced(false), everywhere, cut);
    EXPECT_EQ(Sampler(model, options, 0).first(), cut);
  }
  // Asked for, it falls on all of them.
  options.drop_connect = 0.1;
  TestedModel model = tested(tiny::traced(false), everywhere, 2);
  EXPECT_EQ(Sampler(model, options, 0).first(), 0);
}

TEST(Sampler, SwitchedOffDropConnectFallsNowhere) {
  TestedModel model =
      tested(tiny::traced(false),
             {{"drop-connect", 0.5}, {"drop-connect-on", "all"}}, 0);
  SamplingOptions options;
  options.mc_samples = 3;
  options.drop_connect = 0;
  // What is left is the model's own dropout before its final layer.
  EXPECT_EQ(Sampler(model, options, 0).first(), model.chain.num_blocks());
}

TEST(Sampler, RefusesWhatHasNoNoiseAndADamagedRecord) {
  SamplingOptions options;
  options.mc_samples = 3;
  TestedModel quiet = tested(tiny::residual(), {{"dropout", 0}}, 0);
  EXPECT_FAULT(Sampler(quiet, options, 0), Fault::usage,
               "nothing in the model is random");
  TestedModel frozen =
      tested(tiny::pooled(), {{"fractional-pooling", true}}, 1 << 20);
  EXPECT_FAULT(Sampler(frozen, options, 0), Fault::usage,
               "nothing in the model is random from block");
  for (const Json& value : {Json("much"), Json(7)}) {
    TestedModel damaged = tested(tiny::residual(), {{"dropout", value}}, 0);
    EXPECT_FAULT(Sampler(damaged, options, 0), Fault::model, "is damaged");
  }
  options.fractional_pooling = true;
  TestedModel poolless = tested(tiny::residual(), Json::object(), 0);
  EXPECT_FAULT(Sampler(poolless, options, 0), Fault::usage,
               "--fractional-pooling: the model has no max pooling");
}

}  // namespace
}  // namespace engraft
