#include "engraft/model/sampled_prediction.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "engraft/model/chain.h"
#include "support/expect_fault.h"
#include "support/tiny_models.h"
#include "support/tiny_steps.h"

namespace engraft {
namespace {

TEST(SampledPrediction, IsMeanAndSpreadOfTheProbabilities) {
  // Two samples of one picture: probabilities 1/2 and 4/5 of the first class.
  const auto logits =
      torch::tensor({0.0, 0.0, std::log(4.0), 0.0}, torch::kFloat)
          .view({2, 1, 2});
  const SampledPrediction seen = summarise_samples(logits);
  EXPECT_NEAR(seen.mean[0][0].item<double>(), 0.65, 1e-6);
  EXPECT_NEAR(seen.mean[0][1].item<double>(), 0.35, 1e-6);
  EXPECT_NEAR(seen.std[0][0].item<double>(), 0.3 / std::sqrt(2.0), 1e-6);
  EXPECT_EQ(
      summarise_samples(logits.slice(0, 0, 1)).std.abs().sum().item<float>(),
      0);
}

double entropy(double p) {
  return -p * std::log(p) - (1 - p) * std::log(1 - p);
}

TEST(SampledPrediction, TellsWhatTheSamplesDoNotShare) {
  // Two pictures, probabilities of the first class 1/2 and 4/5, and twice 4/5.
  const auto logits = torch::tensor({0.0, 0.0, std::log(4.0), 0.0,
                                     std::log(4.0), 0.0, std::log(4.0), 0.0},
                                    torch::kDouble)
                          .view({2, 2, 2});
  const SampledPrediction seen = summarise_samples(logits);
  EXPECT_EQ(seen.entropy.scalar_type(), torch::kDouble);
  EXPECT_NEAR(seen.entropy[0].item<double>(), entropy(0.65), 1e-12);
  EXPECT_NEAR(seen.entropy[1].item<double>(), entropy(0.8), 1e-12);
  EXPECT_NEAR(seen.mutual_information[0].item<double>(),
              entropy(0.65) - (entropy(0.5) + entropy(0.8)) / 2, 1e-12);
  EXPECT_NEAR(seen.mutual_information[1].item<double>(), 0, 1e-12);
}

TEST(SampledPrediction, OfACertainClassHasNoEntropy) {
  const auto logits = torch::tensor({1e4f, 0.0f, 0.0f}).view({1, 1, 3});
  const SampledPrediction seen = summarise_samples(logits);
  EXPECT_EQ(seen.entropy.item<float>(), 0);
  EXPECT_EQ(seen.mutual_information.item<float>(), 0);
}

TEST(SampleLogits, AverageToInferenceWhereTheNoiseIsInTheFinalLayer) {
  for (const bool weights : {false, true}) {
    BlockChain chain(make_classifier(tiny::tied(), tiny::input()));
    RegulariserOptions options;
    (weights ? options.drop_connect : options.head_dropout) = 0.4;
    chain.regularise(options);
    torch::manual_seed(4);
    constexpr int64_t kSamples = 3000;
    const auto samples = chain.sample_logits(tiny::images(3), kSamples);
    ASSERT_EQ(samples.sizes(), (std::vector<int64_t>{kSamples, 3, 5}));
    const auto mean = samples.mean(0);
    const auto error = (samples - mean).square().mean(0).sqrt() /
                       std::sqrt(static_cast<double>(kSamples));
    const auto off = (mean - chain.logits(tiny::images(3))).abs() / error;
    // Of 15 numbers, in standard errors.
    EXPECT_LT(off.max().item<double>(), 4);
    EXPECT_GT(error.min().item<double>(), 0);
  }
}

TEST(SampleLogits, KeepBatchNormsAsTheyAre) {
  Classifier model = make_classifier(tiny::residual(), tiny::input());
  BlockChain chain(model);
  RegulariserOptions options;
  options.dropout = 0;
  options.drop_connect = 1e-9;  // random, but nothing ever falls
  chain.regularise(options);
  const auto before = model.module.attr("n1_mean").toTensor().clone();
  const auto samples = chain.sample_logits(tiny::images(6), 2);
  EXPECT_TRUE(
      torch::allclose(samples[1], chain.logits(tiny::images(6)), 1e-5, 1e-6));
  EXPECT_TRUE(model.module.attr("n1_mean").toTensor().equal(before));
  EXPECT_FALSE(samples.requires_grad());
}

TEST(SampleLogits, AreTheSameUnderASeed) {
  const BlockChain chain(make_classifier(tiny::traced(false), tiny::input()));
  torch::manual_seed(8);
  const auto first = chain.sample_logits(tiny::images(6), 3);
  torch::manual_seed(8);
  EXPECT_TRUE(chain.sample_logits(tiny::images(6), 3).equal(first));
  EXPECT_FALSE(first[0].equal(first[1]));
  // The model's own dropout of 0.2 alone, on features computed once.
  torch::manual_seed(8);
  const auto features =
      chain.run_frozen(tiny::images(6), 0, chain.num_blocks());
  for (int64_t i = 0; i < 3; ++i) {
    const auto mask = torch::empty_like(features).bernoulli_(0.8) / 0.8;
    torch::NoGradGuard no_grad;
    const auto logits =
        chain.run(features * mask, chain.num_blocks(), chain.num_blocks() + 1);
    EXPECT_TRUE(torch::allclose(first[i], logits, 1e-5, 1e-6)) << i;
  }
}

TEST(SampleLogits, GoOnFromABlock) {
  BlockChain chain(make_classifier(tiny::traced(false), tiny::input()));
  RegulariserOptions options;
  options.drop_connect = 0.3;
  options.drop_connect_on = "all";
  chain.regularise(options);
  EXPECT_EQ(chain.first_random(), 0);
  const int64_t head = chain.num_blocks();
  EXPECT_EQ(chain.first_random(head), head);
  const auto features = chain.run_frozen(tiny::images(6), 0, head);
  torch::manual_seed(8);
  const auto seen = chain.sample_logits(features, 2, head);
  torch::manual_seed(8);
  const auto expected =
      chain.run(features, head, head + 1, BlockMode::sampling);
  EXPECT_TRUE(seen[0].equal(expected));
  torch::manual_seed(8);
  EXPECT_FALSE(chain.sample_logits(tiny::images(6), 2)[0].equal(expected));
}

TEST(SampleLogits, SayFromWhereOnNothingIsRandom) {
  BlockChain chain(make_classifier(tiny::pooled(), tiny::input()));
  RegulariserOptions options;
  options.fractional_pooling = true;
  chain.regularise(options);
  const int64_t head = chain.num_blocks();
  EXPECT_LT(chain.first_random(), head);
  EXPECT_FAULT(chain.first_random(head), Fault::usage,
               "nothing in the model is random from block " +
                   std::to_string(head) + " on: it has no dropout there");
}

TEST(SampleLogits, LeaveStochasticDepthOut) {
  BlockChain chain(make_classifier(tiny::residual(), tiny::input()));
  RegulariserOptions options;
  options.stochastic_depth = 0.9;
  options.dropout = 0;
  chain.regularise(options);
  EXPECT_FAULT(chain.sample_logits(tiny::images(6), 2), Fault::usage,
               "nothing in the model is random");
}

TEST(SampleLogits, SampleFractionalPooling) {
  BlockChain chain(make_classifier(tiny::pooled(), tiny::input()));
  RegulariserOptions options;
  options.fractional_pooling = true;
  chain.regularise(options);
  const auto samples = chain.sample_logits(tiny::images(6), 2);
  EXPECT_FALSE(samples[0].equal(samples[1]));
}

}  // namespace
}  // namespace engraft
