#include "engraft/train/precision.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/nn/functional/loss.h>
#include <torch/types.h>

#include <cmath>
#include <map>
#include <stdexcept>

#include "engraft/model/chain.h"
#include "engraft/train/live_chain.h"
#include "model/difference.h"
#include "support/expect_fault.h"
#include "support/tiny_training.h"
#include "train/choose_precision.h"

namespace engraft {
namespace {

/// Steps that take so long a picture, f32 and bf16 in turn.
class Steps {
 public:
  explicit Steps(std::vector<double> milliseconds)
      : milliseconds_(std::move(milliseconds)) {}

  PrecisionChoice compare() {
    return compare_precisions(3, [&](bool bf16) {
      EXPECT_EQ(bf16, made_ % 2 == 1);
      PrecisionStep out;
      out.pictures = 8;
      out.seconds = milliseconds_.at(made_++) / 1e3 * 8;
      out.logits = bf16 ? logits : torch::ones({8, 3});
      out.gradient = bf16 ? gradient : torch::ones(5);
      return out;
    });
  }
  size_t made() const { return made_; }

  torch::Tensor logits = torch::ones({8, 3});  ///< in bfloat16
  torch::Tensor gradient = torch::ones(5);

 private:
  std::vector<double> milliseconds_;
  size_t made_ = 0;
};

TEST(ComparePrecisions, TakesWhatIsClearlyFaster) {
  Steps steps({90, 90, 10, 7.5, 11, 8});
  const PrecisionChoice choice = steps.compare();
  EXPECT_EQ(choice.kind, TrainPrecision::bf16);
  EXPECT_DOUBLE_EQ(choice.f32, 10);
  EXPECT_DOUBLE_EQ(choice.bf16, 7.5);
  EXPECT_EQ(choice.cut, 3);
  EXPECT_EQ(choice.text(), "bf16: 7.5 ms a picture, f32 10");
}

TEST(ComparePrecisions, ALittleFasterIsNotEnough) {
  Steps steps({10, 1, 10, 8.5, 10, 8.5});
  const PrecisionChoice choice = steps.compare();
  EXPECT_EQ(choice.kind, TrainPrecision::f32);
  EXPECT_EQ(choice.text(), "f32: 10 ms a picture, bf16 8.5");
}

TEST(ComparePrecisions, TheFirstStepOfEachDoesNotCountAndTheFasterOneDoes) {
  EXPECT_EQ(Steps({1, 90, 50, 20, 26, 90}).compare().kind,
            TrainPrecision::bf16);
  EXPECT_EQ(Steps({90, 1, 26, 90, 50, 21}).compare().kind, TrainPrecision::f32);
}

TEST(ComparePrecisions, OtherNumbersAreOutUntimed) {
  Steps logits({10, 1});
  logits.logits = torch::full({8, 3}, 1.2);
  EXPECT_EQ(logits.compare().refused, "its logits differ by 0.2 of their size");
  Steps gradient({10, 1});
  gradient.gradient = torch::tensor({1.0, 1.0, 1.0, -1.0, 1.0});
  EXPECT_EQ(gradient.compare().refused,
            "its gradient has another direction, cosine 0.6");
  Steps none({10, 1});
  none.logits = torch::full({8, 3}, NAN);
  const PrecisionChoice choice = none.compare();
  EXPECT_EQ(choice.kind, TrainPrecision::f32);
  EXPECT_EQ(choice.refused, "its logits differ by nan of their size");
  EXPECT_EQ(choice.text(), "f32; not bf16: " + choice.refused);
  EXPECT_EQ(none.made(), 2u);
}

TEST(ComparePrecisions, WhatThrowsIsOutButALackOfMemoryIsPassedOn) {
  const auto throwing = [](const char* what) {
    return compare_precisions(0, [&](bool bf16) -> PrecisionStep {
      if (bf16) throw std::runtime_error(what);
      return {};
    });
  };
  EXPECT_EQ(throwing("no such operation").refused,
            "it failed: no such operation");
  EXPECT_THROW(throwing("can't allocate memory"), std::runtime_error);
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

TEST_F(Bfloat16, EachPassTakesTheWeightsThatAreThere) {
  gradients(true);
  const auto before = logits_;
  for (const NamedTensor& t : chain_.block(1).tensors)
    if (t.tensor.dim() > 1) torch::Tensor(t.tensor).detach().mul_(1.5);
  gradients(true);
  EXPECT_GT(relative_difference(logits_, before), 1e-3);
}

TEST_F(Bfloat16, AFailureLeavesNoTraceBehind) {
  const LiveChain live(chain_, 1);
  EXPECT_ANY_THROW(live.forward(torch::zeros({2, 3, 16}), 0, true));
  EXPECT_ANY_THROW(live.forward(torch::zeros({2, 99, 4, 4}), 1, true));
  EXPECT_FALSE(at::autocast::is_autocast_enabled(at::kCPU));
}

/// A trial whatever the processor and the stage's length.
class ChoosePrecision : public testing::Test {
 protected:
  PrecisionChoice choose(int64_t cut, const PrecisionRules& rules) {
    const LiveChain live(chain_, cut);
    const FitSettings settings{folder_,   model_.input, plan_, optim_,
                               schedule_, mix_,         run_,  cache_,
                               nullptr,   "",           ""};
    return choose_precision(
        live, chain_, settings, 0, 1000,
        [&]() -> std::optional<Batches::Batch> {
          return Batches::Batch{images_, labels_};
        },
        rules);
  }

  std::map<std::string, torch::Tensor> state() const {
    std::map<std::string, torch::Tensor> out;
    for (const auto& p : model_.module.named_parameters())
      out[p.name] = p.value.detach().clone();
    for (const auto& b : model_.module.named_buffers())
      out[b.name] = b.value.clone();
    return out;
  }

  static constexpr PrecisionRules kAlways{true, 0, 1};

  Classifier model_ = make_classifier(tiny::residual(), tiny::input());
  BlockChain chain_{model_};
  ImageFolder folder_;
  TransferPlan plan_;
  OptimOptions optim_;
  ScheduleOptions schedule_;
  MixOptions mix_;
  RunOptions run_;
  CacheOptions cache_;
  torch::Tensor images_ =
      torch::randn({8, 3, 16, 16}, at::detail::createCPUGenerator(5));
  torch::Tensor labels_ = torch::arange(8).remainder(5);
};

TEST_F(ChoosePrecision, TimesBothAndLeavesEverythingAsItWas) {
  const auto before = state();
  torch::manual_seed(3);
  const auto drawn = torch::rand(4);
  torch::manual_seed(3);
  const PrecisionChoice choice = choose(1, kAlways);
  EXPECT_EQ(choice.refused, "");
  EXPECT_GT(choice.f32, 0);
  EXPECT_GT(choice.bf16, 0);
  EXPECT_TRUE(torch::rand(4).equal(drawn));
  for (const auto& [name, after] : state())
    EXPECT_TRUE(after.equal(before.at(name))) << name;
  for (const auto& p : model_.module.named_parameters())
    EXPECT_FALSE(p.value.grad().defined()) << p.name;
}

TEST_F(ChoosePrecision, IsNotTriedWhereItWouldNotPay) {
  const auto untimed = [&](int64_t cut, const PrecisionRules& rules) {
    const PrecisionChoice choice = choose(cut, rules);
    EXPECT_EQ(choice.kind, TrainPrecision::f32);
    return choice.f32 == 0;
  };
  EXPECT_TRUE(untimed(1, {false, 0, 1}));     // no bfloat16
  EXPECT_TRUE(untimed(1, {true, 1e18, 1}));   // soon over
  EXPECT_TRUE(untimed(1, {true, 0, 0.001}));  // few pictures
  EXPECT_TRUE(untimed(chain_.num_blocks(), kAlways));
  EXPECT_GT(choose(1, kAlways).f32, 0);  // whichever is the faster one
}

TEST_F(ChoosePrecision, WhatIsGivenIsNotTried) {
  optim_.precision = TrainPrecision::bf16;
  EXPECT_EQ(choose(1, kAlways).kind, TrainPrecision::bf16);
  EXPECT_EQ(choose(1, kAlways).f32, 0);
}

TEST_F(ChoosePrecision, WhatBfloat16DoesNotHaveIsOut) {
  model_ = make_classifier(tiny::ending("complex"), tiny::input());
  chain_ = BlockChain(model_);
  const PrecisionChoice choice = choose(1, kAlways);
  EXPECT_EQ(choice.kind, TrainPrecision::f32);
  EXPECT_EQ(choice.refused.rfind("it failed: ", 0), 0u) << choice.refused;
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

TEST_F(TrainBfloat16, WhatDoesNotWorkIsSaidBeforeAnythingIsTrained) {
  tiny::ending("complex").save(folder_ / "model.pt");
  auto o = options("1");
  o.base.plan.head_epochs = 2;
  o.optim.optimizer = OptimizerKind::adam;
  EXPECT_EQ(train(o).precisions.size(), 1u);
  o.optim.precision = TrainPrecision::bf16;
  int64_t epochs = 0;
  TrainCallbacks callbacks;
  callbacks.epoch = [&](const EpochResult&) { ++epochs; };
  EXPECT_FAULT(train(o, callbacks), Fault::model,
               "cannot be trained in bfloat16");
  EXPECT_EQ(epochs, 0);
}

TEST_F(TrainBfloat16, APlanWithoutLiveBlocksSaysThatItIsNotUsed) {
  const auto model = load_classifier(folder_ / "model.pt");
  auto o = options(std::to_string(BlockChain(model).num_blocks()));
  o.optim.precision = TrainPrecision::bf16;
  const auto result = train(o);
  EXPECT_TRUE(result.precisions.empty());
  ASSERT_FALSE(result.notes.empty());
  EXPECT_NE(result.notes.back().find("not used"), std::string::npos);
}

TEST_F(TrainBfloat16, TheHeadAloneHasNone) {
  auto o = options("all");
  o.optim.precision = TrainPrecision::bf16;
  EXPECT_FAULT(train(o), Fault::usage, "--precision bf16 is for live blocks");
}

}  // namespace
}  // namespace engraft
