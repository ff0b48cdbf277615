// Single steps of training on the gradient as it is worked out by hand.

#include "engraft/train/fit.h"

#include <torch/types.h>

#include <array>
#include <cmath>
#include <map>
#include <optional>

#include "support/tiny_training.h"

namespace engraft {
namespace {

using Tensors = std::map<std::string, torch::Tensor>;

constexpr int64_t kClasses = 3;

/// One epoch of one batch, by plain gradient descent, of a model without
/// dropout and batch norms: the weights' change tells the gradient.
class OneStep : public test::TinyTraining {
 protected:
  static constexpr double kRate = 0.01;
  /// Training pictures of each class; the others validate.
  static constexpr std::array<int64_t, kClasses> kCounts = {6, 3, 1};
  static constexpr int64_t kPictures = 10;

  OneStep()
      : pictures_(
            uneven(scan_image_folder(folder_ / "data", {}, 1, /*cache=*/""))) {
    // Scores so near to each other that no probability is 0 or 1.
    const torch::NoGradGuard no_grad;
    classifier_.module.attr("fc_w").toTensor().mul_(0.1);
    start_ = parameters();
    plan_.solved_head = false;
    plan_.freeze_until = chain_.num_blocks();
    plan_.head_epochs = plan_.epochs = 1;
    plan_.views = 0;
    plan_.batch_size = kPictures;
    plan_.head_lr = plan_.backbone_lr = kRate;
    plan_.augment = augment_settings(AugmentStrength::none, {});
    optim_.optimizer = OptimizerKind::sgd;
    optim_.momentum = 0;
    optim_.weight_decay = 0;
    optim_.clip_norm = 0;
    optim_.label_smoothing = 0;
    optim_.precision = TrainPrecision::f32;
    schedule_.schedule = ScheduleKind::constant;
    schedule_.warmup = 0;
    run_.threads = 1;
    run_.inference = InferenceKind::plain;
    cache_.cache = "none";
  }

  static ImageFolder uneven(ImageFolder out) {
    std::vector<Sample> all = std::move(out.train);
    all.insert(all.end(), out.val.begin(), out.val.end());
    out.train.clear();
    out.val.clear();
    auto wanted = kCounts;
    for (const Sample& s : all)
      (wanted.at(s.label)-- > 0 ? out.train : out.val).push_back(s);
    return out;
  }

  /// In double precision.
  Tensors parameters() const {
    Tensors out;
    for (const auto& p : classifier_.module.named_parameters())
      out[p.name] = p.value.detach().to(torch::kDouble, false, /*copy=*/true);
    return out;
  }

  void train_all_blocks() {
    plan_.freeze_until = 0;
    plan_.head_epochs = 0;
  }

  /// What each parameter went down by from the start, divided by the rate.
  Tensors descend() {
    {
      const torch::NoGradGuard no_grad;
      for (const auto& p : classifier_.module.named_parameters())
        torch::Tensor(p.value).copy_(start_.at(p.name));
    }
    LiveChain live(chain_, plan_.lowest_cut());
    result_ = fit(live, chain_,
                  {pictures_, classifier_.input, plan_, optim_, schedule_, mix_,
                   run_, cache_, nullptr, "tiny", ""},
                  {});
    Tensors out = parameters();
    for (auto& [name, tensor] : out)
      tensor = (start_.at(name) - tensor) / kRate;
    return out;
  }

  static torch::Tensor labels(const std::vector<Sample>& samples) {
    std::vector<int64_t> out;
    out.reserve(samples.size());
    for (const Sample& s : samples) out.push_back(s.label);
    return torch::tensor(out);
  }

  /// Of each class, as all its pictures have one colour: [classes, features].
  torch::Tensor features() const {
    const auto of_255 = torch::tensor(
        {{220.0, 30.0, 30.0}, {30.0, 220.0, 30.0}, {30.0, 30.0, 220.0}},
        torch::kDouble);
    const auto mean = torch::tensor({0.485, 0.456, 0.406}, torch::kDouble);
    const auto deviation = torch::tensor({0.229, 0.224, 0.225}, torch::kDouble);
    auto a = ((of_255 / 255 - mean) / deviation)
                 .view({kClasses, 3, 1, 1})
                 .expand({kClasses, 3, 16, 16});
    for (const char* weight : {"c1", "c2", "c2"})
      a = torch::conv2d(a, start_.at(weight), {}, 1, 1).relu();
    return a.mean({2, 3});
  }

  /// Logarithms of the probabilities, [N, classes].
  torch::Tensor scores(const std::vector<Sample>& samples,
                       const Tensors& weights) const {
    return features()
        .index_select(0, labels(samples))
        .matmul(weights.at("fc_w").t())
        .add(weights.at("fc_b"))
        .log_softmax(1);
  }

  static double norm(const Tensors& tensors) {
    double squares = 0;
    for (const auto& [name, tensor] : tensors)
      squares += tensor.square().sum().item<double>();
    return std::sqrt(squares);
  }

  /// Weights of 0.3 in single precision are exact to 1.5e-8, which the rate of
  /// 0.01 makes 1.5e-6 of a gradient.
  static void expect_near(const Tensors& actual, const Tensors& expected) {
    ASSERT_EQ(actual.size(), expected.size());
    for (const auto& [name, tensor] : expected)
      EXPECT_TRUE(torch::allclose(actual.at(name), tensor, 1e-4, 1e-5))
          << name << actual.at(name) << tensor;
  }

  static Tensors scaled(Tensors tensors, double factor) {
    for (auto& [name, tensor] : tensors) tensor = tensor * factor;
    return tensors;
  }

  ImageFolder pictures_;
  Classifier classifier_ = make_classifier(tiny::tied(kClasses), tiny::input());
  BlockChain chain_{classifier_};
  Tensors start_;
  TransferPlan plan_;
  OptimOptions optim_;
  ScheduleOptions schedule_;
  MixOptions mix_;
  RunOptions run_;
  CacheOptions cache_;
  FitResult result_;
};

TEST_F(OneStep, TheLossHasSmoothedTargetsAndWeightedClasses) {
  const auto y = labels(pictures_.train);
  const auto logp = scores(pictures_.train, start_);
  const auto one_hot = torch::eye(kClasses, torch::kDouble).index_select(0, y);
  const std::array<std::optional<double>, 3> smoothings = {0.0, 0.3,
                                                           std::nullopt};
  for (const ClassWeights kind : {ClassWeights::none, ClassWeights::balanced})
    for (const std::optional<double>& smoothing : smoothings) {
      optim_.class_weights = kind;
      optim_.label_smoothing = smoothing;
      const double share = smoothing.value_or(0.1);
      auto w = torch::ones({kClasses}, torch::kDouble);
      if (kind == ClassWeights::balanced)
        for (int64_t c = 0; c < kClasses; ++c)
          w[c] = static_cast<double>(kPictures) /
                 static_cast<double>(kClasses * kCounts.at(c));
      // Each class's part of each target counts by the weight of that class,
      // and all is over the sum of the weights of the pictures' own classes.
      const auto parts = ((1 - share) * one_hot + share / kClasses) * w;
      const auto all = w.index_select(0, y).sum();
      const double loss = (-(parts * logp).sum() / all).item<double>();
      const auto by_score =
          (logp.exp() * parts.sum(1, /*keepdim=*/true) - parts) / all;
      const auto inputs = features().index_select(0, y);

      const Tensors gradient = descend();
      SCOPED_TRACE(std::string(name_of(kind)) + " " + std::to_string(share));
      EXPECT_NEAR(result_.epochs.at(0).train_loss, loss, 1e-5);
      expect_near(
          {{"fc_w", gradient.at("fc_w")}, {"fc_b", gradient.at("fc_b")}},
          {{"fc_w", by_score.t().matmul(inputs)}, {"fc_b", by_score.sum(0)}});
    }
}

TEST_F(OneStep, ValidationTakesThePlainLossOfThePicturesAsTheyAre) {
  optim_.class_weights = ClassWeights::balanced;
  optim_.label_smoothing = 0.3;
  descend();
  const auto logp = scores(pictures_.val, parameters());
  const auto of_label =
      logp.gather(1, labels(pictures_.val).unsqueeze(1)).mean();
  EXPECT_NEAR(result_.epochs.at(0).val_loss, -of_label.item<double>(), 1e-5);
}

TEST_F(OneStep, ClipsTheNormOfTheWholeGradient) {
  train_all_blocks();
  const Tensors free = descend();
  optim_.clip_norm = norm(free) / 4;
  const Tensors clipped = descend();
  EXPECT_NEAR(norm(clipped), optim_.clip_norm, 1e-4 * optim_.clip_norm);
  // The direction stays, so all tensors are clipped alike.
  expect_near(clipped, scaled(free, 0.25));
  optim_.clip_norm = norm(free) * 1.01;
  expect_near(descend(), free);
}

TEST_F(OneStep, ClipsWhatBatchesAddUpToNotEachOfThem) {
  const Tensors free = descend();
  optim_.clip_norm = norm(free) / 4;
  plan_.batch_size = kPictures / 2;
  optim_.accumulate = 2;
  expect_near(descend(), scaled(free, 0.25));
}

TEST_F(OneStep, DecayIsOfWeightsAndNotClipped) {
  train_all_blocks();
  Tensors expected = descend();
  const double clip = norm(expected) / 4;
  expected = scaled(expected, 0.25);
  optim_.clip_norm = clip;
  optim_.weight_decay = 0.5;
  for (const char* weight : {"c1", "c2", "fc_w"})
    expected.at(weight) += 0.5 * start_.at(weight);
  expect_near(descend(), expected);
}

TEST_F(OneStep, EachBlockTakesItsOwnRate) {
  train_all_blocks();
  Tensors expected = descend();
  plan_.backbone_lr = kRate / 2;
  plan_.block_decay = 0.5;
  // Blocks: c1, c2, c2 again, and the head. What two share moves as the first.
  expected.at("c1") *= 0.5 * 0.25;
  expected.at("c2") *= 0.5 * 0.5;
  expect_near(descend(), expected);
}

}  // namespace
}  // namespace engraft
