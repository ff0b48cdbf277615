#include "engraft/model/regularise.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "engraft/model/chain.h"
#include "support/expect_fault.h"
#include "support/tiny_models.h"
#include "support/tiny_steps.h"

namespace engraft {
namespace {

/// A model, its chain and short names for both.
struct Tiny {
  explicit Tiny(torch::jit::Module module)
      : model(make_classifier(std::move(module), tiny::input())),
        chain(model),
        head(chain.num_blocks()) {}

  torch::Tensor tensor(const std::string& name) const {
    return model.module.attr(name).toTensor();
  }
  torch::Tensor train(const torch::Tensor& x, int64_t begin, int64_t end,
                      uint64_t seed = 3) const {
    torch::manual_seed(seed);
    return chain.run(x, begin, end, BlockMode::training);
  }
  torch::Tensor features() const {
    return chain.run_frozen(tiny::images(6), 0, head);
  }
  torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& w) const {
    return torch::linear(x, w, tensor("fc_b"));
  }

  Classifier model;
  BlockChain chain;
  int64_t head;
};

/// The mask of inverted dropout from LibTorch's generator, by its definition.
torch::Tensor mask(const torch::Tensor& like, double p) {
  return torch::empty_like(like).bernoulli_(1 - p) / (1 - p);
}

void expect_close(const torch::Tensor& seen, const torch::Tensor& expected) {
  EXPECT_TRUE(torch::allclose(seen, expected, 1e-4, 1e-5))
      << (seen - expected).abs().max();
}

TEST(Regularise, DropoutTakesTheGivenProbability) {
  Tiny t(tiny::traced(false));
  RegulariserOptions options;
  options.dropout = 0.6;
  EXPECT_EQ(t.chain.regularise(options).dropouts, 1);
  const auto f = t.features();
  const auto seen = t.train(f, t.head, t.head + 1);
  torch::manual_seed(3);
  expect_close(seen, t.linear(f * mask(f, 0.6), t.tensor("fc_w")));
  options.dropout = 0;
  t.chain.regularise(options);
  expect_close(t.train(f, t.head, t.head + 1), t.linear(f, t.tensor("fc_w")));
}

TEST(Regularise, DropoutReachesWholeMapsAndAttention) {
  Tiny maps(
      tiny::steps("  a = torch.feature_dropout(a, 0.1, self.training)\n"));
  RegulariserOptions options;
  options.dropout = 0.5;
  EXPECT_EQ(maps.chain.regularise(options).dropouts, 1);
  const auto a = maps.train(tiny::images(6), 0, maps.head);
  torch::manual_seed(3);
  const auto factor = mask(torch::empty({6, 8, 1, 1}), 0.5).view({6, 8});
  expect_close(a, maps.features() * factor);

  Tiny attention(tiny::fast_attention());
  EXPECT_EQ(attention.chain.regularise(options).dropouts, 3);
  const auto one = attention.train(tiny::images(6), 0, attention.head);
  EXPECT_TRUE(attention.train(tiny::images(6), 0, attention.head).equal(one));
  EXPECT_FALSE(
      attention.train(tiny::images(6), 0, attention.head, 4).equal(one));
}

TEST(Regularise, HeadDropoutFallsOnTheFeatures) {
  for (const bool has_one : {false, true}) {
    Tiny t(has_one ? tiny::residual() : tiny::tied());
    RegulariserOptions options;
    options.head_dropout = 0.3;
    EXPECT_EQ(t.chain.regularise(options).head_dropouts, 1);
    const auto f = t.features().requires_grad_();
    const auto seen = t.train(f, t.head, t.head + 1);
    torch::manual_seed(3);
    const auto m = mask(f, 0.3);
    expect_close(seen, t.linear(f * m, t.tensor("fc_w")));
    // What is dropped gets no gradient, what is kept all of it.
    seen.sum().backward();
    expect_close(f.grad(), t.tensor("fc_w").sum(0) * m);
  }
  Tiny addmm(tiny::addmm_head()), conv(tiny::conv_head());
  RegulariserOptions options;
  options.head_dropout = 0.3;
  EXPECT_EQ(addmm.chain.regularise(options).head_dropouts, 1);
  EXPECT_EQ(conv.chain.regularise(options).head_dropouts, 1);
}

TEST(Regularise, DropConnectDropsWeightsOfTheHead) {
  struct Case {
    torch::jit::Module module;
    const char* weight;
    bool input_major;
  };
  for (const auto& c : {Case{tiny::residual(), "fc_w", false},
                        Case{tiny::addmm_head(), "fc_w", false},
                        Case{tiny::matmul_head(), "head_w", true}}) {
    Tiny t(c.module);
    RegulariserOptions options;
    options.dropout = 0;
    options.drop_connect = 0.4;
    const auto report = t.chain.regularise(options);
    EXPECT_EQ(report.drop_connects, 1);
    EXPECT_EQ(report.changes.back(),
              "DropConnect 0.4: " + std::string(c.weight));
    const auto f = t.features();
    auto w = t.tensor(c.weight).set_requires_grad(true);
    const auto seen = t.train(f, t.head, t.head + 1);
    torch::manual_seed(3);
    // The mask lies as the layer's operand does.
    const auto operand = w.detach();
    const bool transposed = std::string(c.weight) == "fc_w" &&
                            t.chain.head().kind == HeadKind::addmm;
    const auto m = transposed ? mask(operand.t(), 0.4).t() : mask(operand, 0.4);
    const auto dropped = operand * m;
    const auto expected = t.linear(f, c.input_major ? dropped.t() : dropped);
    expect_close(seen.detach(), expected);
    seen.square().sum().backward();
    const auto full = torch::matmul((2 * expected).t(), f);
    expect_close(w.grad(), (c.input_major ? full.t() : full) * m);
    EXPECT_TRUE((w.grad() == 0).equal(m == 0));
  }
}

TEST(Regularise, DropConnectOnAllReachesEveryLayer) {
  Tiny t(tiny::residual());
  RegulariserOptions options;
  options.dropout = 0;
  options.bn_statistics = BatchNormStatistics::running;
  options.drop_connect = 0.4;
  options.drop_connect_on = "all";
  EXPECT_EQ(t.chain.regularise(options).drop_connects, 6);
  const auto seen = t.train(tiny::images(6), 0, 1);
  torch::manual_seed(3);
  const auto c1 = t.tensor("c1");
  const auto by_hand = torch::batch_norm(
      torch::conv2d(tiny::images(6), c1 * mask(c1, 0.4), {}, 1, 1),
      t.tensor("n1_w"), t.tensor("n1_b"), t.tensor("n1_mean"),
      t.tensor("n1_var"), false, 0.1, 1e-5, false);
  expect_close(seen, by_hand.relu());
}

TEST(Regularise, DropConnectFallsOnLayersByName) {
  Tiny t(tiny::residual());
  RegulariserOptions options;
  options.drop_connect = 0.4;
  options.drop_connect_on = "all";
  std::vector<std::string> all = t.chain.regularise(options).changes;
  // Each by itself, and two at once.
  std::vector<std::string> names;
  for (const std::string& line : all)
    names.push_back(line.substr(line.find(": ") + 2));
  for (size_t i = 0; i < names.size(); ++i) {
    options.drop_connect_on = names[i];
    EXPECT_EQ(t.chain.regularise(options).changes,
              (std::vector<std::string>{all[i]}));
  }
  options.drop_connect_on = names[2] + "," + names[0];
  EXPECT_EQ(t.chain.regularise(options).changes,
            (std::vector<std::string>{all[0], all[2]}));
  options.drop_connect_on = names[0] + ",c";  // a beginning is no name
  EXPECT_FAULT(t.chain.regularise(options), Fault::usage,
               "--drop-connect-on 'c': no linear or convolution layer");
  for (const char* empty : {"", ",", "all,"}) {
    options.drop_connect_on = empty;
    EXPECT_FAULT(t.chain.regularise(options), Fault::usage,
                 "--drop-connect-on ''");
  }
}

class StochasticDepth : public testing::TestWithParam<tiny::Form> {
 protected:
  static torch::jit::Module model() {
    const auto norm = [](const char* x, const char* weight, int stride) {
      return tiny::conv_norm(GetParam(), x, weight, stride);
    };
    return tiny::steps("  r = torch.relu_(" + norm("a", "w3", 2) + ")\n  r = " +
                       norm("r", "v3", 1) + "\n  s = " + norm("a", "w1", 2) +
                       "\n  r.add_(s)\n  a = torch.relu_(r)\n" +
                       "  r = " + norm("a", "v1", 1) + "\n  a = a + r\n");
  }

  static torch::Tensor norm(const Tiny& t, const torch::Tensor& x,
                            const std::string& weight, int64_t stride) {
    const auto own = [&](const char* part) { return t.tensor(weight + part); };
    return torch::batch_norm(
        torch::conv2d(x, own(""), {}, stride, weight[1] == '3' ? 1 : 0),
        own("_w"), own("_b"), own("_mean"), own("_var"), false, 0.1, 1e-5,
        false);
  }

  RegulariserOptions options() const {
    RegulariserOptions out;
    out.stochastic_depth = 0.6;
    // A picture then does not depend on the others.
    out.bn_statistics = BatchNormStatistics::running;
    return out;
  }
};

TEST_P(StochasticDepth, SkipsBranchesByTheLinearDecayRule) {
  Tiny t(model());
  const auto report = t.chain.regularise(options());
  EXPECT_EQ(report.residual_branches, 2);
  const auto seen = t.train(tiny::images(6), 0, t.head + 1);
  torch::manual_seed(3);
  const auto first = mask(torch::empty({6, 1, 1, 1}), 0.3);
  const auto second = mask(torch::empty({6, 1, 1, 1}), 0.6);
  const auto a =
      torch::conv2d(tiny::images(6), t.tensor("stem"), {}, 1, 1).relu();
  const auto branch = norm(t, norm(t, a, "w3", 2).relu(), "v3", 1);
  const auto b = (branch * first + norm(t, a, "w1", 2)).relu();
  const auto c = b + norm(t, b, "v1", 1) * second;
  expect_close(seen, t.linear(c.mean({2, 3}), t.tensor("fc_w")));
  EXPECT_EQ(report.changes.size(), 2u + 4u);  // four batch norms
}

TEST_P(StochasticDepth, ASkippedBranchGetsNoGradient) {
  Tiny t(model());
  t.chain.regularise(options());
  torch::manual_seed(3);
  const auto first = mask(torch::empty({6, 1, 1, 1}), 0.3).flatten();
  bool skipped = false, kept = false;
  for (int64_t i = 0; i < 6; ++i) {
    auto w3 = t.tensor("w3").set_requires_grad(true);
    auto w1 = t.tensor("w1").set_requires_grad(true);
    t.train(tiny::images(6), 0, t.head + 1)[i].square().sum().backward();
    const bool is_kept = first[i].item<float>() > 0;
    (is_kept ? kept : skipped) = true;
    EXPECT_EQ(w3.grad().abs().sum().item<float>() > 0, is_kept) << i;
    EXPECT_GT(w1.grad().abs().sum().item<float>(), 0) << i;
    w3.mutable_grad().reset();
    w1.mutable_grad().reset();
  }
  EXPECT_TRUE(skipped && kept);
}

TEST_P(StochasticDepth, HasTheExpectationOfInference) {
  // The last branch alone: what is behind it is linear.
  Tiny t(tiny::steps("  a = a + torch.relu(" +
                     tiny::conv_norm(GetParam(), "a", "w1") + ")\n"));
  t.chain.regularise(options());
  const auto one = tiny::images(1);
  const auto many =
      t.train(one.expand({2000, 3, 16, 16}), 0, t.head + 1).detach();
  const auto mean = many.mean(0);
  const auto error = (many - mean).square().mean(0).sqrt() / std::sqrt(2000.0);
  const auto off = (mean - t.chain.logits(one)[0]).abs() / error;
  EXPECT_LT(off.max().item<double>(), 4);  // standard errors
}

INSTANTIATE_TEST_SUITE_P(Forms, StochasticDepth,
                         testing::Values(tiny::Form::scripted,
                                         tiny::Form::traced));

TEST(Regularise, FrozenBlocksAreLeftAlone) {
  Tiny t(tiny::residual());
  const auto before = t.chain.logits(tiny::images(6));
  RegulariserOptions options;
  options.stochastic_depth = 0.9;
  options.drop_connect = 0.9;
  options.drop_connect_on = "all";
  t.chain.regularise(options);
  EXPECT_TRUE(t.chain.logits(tiny::images(6)).equal(before));
}

TEST(Regularise, ReportsWhatTrainsAlone) {
  // Blocks, and branches in them, as the whole model has them.
  Tiny t(tiny::residual());
  RegulariserOptions options;
  options.stochastic_depth = 0.5;
  options.drop_connect = 0.25;
  options.drop_connect_on = "all";
  const RegulariserReport whole = t.chain.regularise(options);
  EXPECT_EQ(whole.residual_branches, 2);
  const int64_t begin = t.head - 1;
  const RegulariserReport part = t.chain.regularise(options, begin);
  int64_t layers = 0;
  for (int64_t i = begin; i <= t.head; ++i)
    for (const NamedTensor& one : t.chain.block(i).tensors)
      layers += !one.is_buffer && one.tensor.dim() > 1;
  EXPECT_EQ(part.drop_connects, layers);
  EXPECT_LT(part.drop_connects, whole.drop_connects);
  // How deep a branch lies is counted from the model's input on.
  for (const std::string& line : part.changes)
    EXPECT_TRUE(std::ranges::count(whole.changes, line)) << line;
  // Blocks before it are not random, those from it on are.
  const auto x = tiny::images(6);
  t.chain.regularise(options, begin);
  EXPECT_TRUE(t.train(x, 0, 1, 1).equal(t.train(x, 0, 1, 2)));
  const auto features = t.chain.run_frozen(x, 0, begin);
  EXPECT_FALSE(t.train(features, begin, t.head + 1, 1)
                   .equal(t.train(features, begin, t.head + 1, 2)));
}

TEST(Regularise, FractionalPoolingIsForTrainingOnly) {
  Tiny t(tiny::pooled());
  const auto before = t.chain.logits(tiny::images(6));
  RegulariserOptions options;
  options.fractional_pooling = true;
  EXPECT_EQ(t.chain.regularise(options).pools, 1);
  const auto seen = t.train(tiny::images(6), 0, t.head);
  torch::manual_seed(3);
  const auto a =
      torch::conv2d(tiny::images(6), t.tensor("stem"), {}, 1, 1).relu();
  const auto u = torch::rand({6, 1, 2}).expand({6, 8, 2}).contiguous();
  expect_close(seen,
               std::get<0>(torch::fractional_max_pool2d(a, {3, 3}, {8, 8}, u))
                   .mean({2, 3}));
  EXPECT_TRUE(t.chain.logits(tiny::images(6)).equal(before));
}

TEST(Regularise, BatchNormsOnRunningStatisticsTrainAsTheyPredict) {
  Tiny t(tiny::residual());
  RegulariserOptions options;
  options.bn_statistics = BatchNormStatistics::running;
  options.dropout = 0;
  EXPECT_EQ(t.chain.regularise(options).batch_norms, 5);
  const auto before = t.tensor("n3_mean").clone();
  const auto expected = t.chain.run_frozen(tiny::images(3), 0, t.head + 1);
  EXPECT_TRUE(t.train(tiny::images(3), 0, t.head + 1).equal(expected));
  EXPECT_TRUE(t.tensor("n3_mean").equal(before));
}

TEST(Regularise, BatchNormsTakeTheGivenMomentum) {
  Tiny t(tiny::traced(false));
  RegulariserOptions options;
  options.bn_momentum = 0.3;
  EXPECT_EQ(t.chain.regularise(options).batch_norms, 5);
  auto mean = t.tensor("n1_mean").clone(), var = t.tensor("n1_var").clone();
  const auto by_hand = torch::batch_norm(
      torch::conv2d(tiny::images(6), t.tensor("c1"), {}, 1, 1),
      t.tensor("n1_w"), t.tensor("n1_b"), mean, var, true, 0.3, 1e-5, false);
  expect_close(t.train(tiny::images(6), 0, 1), by_hand.relu());
  expect_close(t.tensor("n1_mean"), mean);
  expect_close(t.tensor("n1_var"), var);
}

TEST(Regularise, MomentaAreThoseOfBatchNormsThatMove) {
  Tiny t(tiny::traced(false));
  EXPECT_EQ(t.chain.batch_norm_momenta(0, t.head), std::vector<double>(5, 0.1));
  EXPECT_EQ(t.chain.batch_norm_momenta(0, 1), std::vector<double>(1, 0.1));
  EXPECT_TRUE(t.chain.batch_norm_momenta(t.head, t.head).empty());
  RegulariserOptions options;
  options.bn_momentum = 0.3;
  t.chain.regularise(options);
  EXPECT_EQ(t.chain.batch_norm_momenta(0, 1), std::vector<double>(1, 0.3));
  options.bn_momentum.reset();
  options.bn_statistics = BatchNormStatistics::running;
  t.chain.regularise(options);
  EXPECT_TRUE(t.chain.batch_norm_momenta(0, t.head).empty());
}

TEST(Regularise, WithoutOptionsTrainingIsTheModelsOwn) {
  const auto outcome = [](Tiny& t) {
    auto c1 = t.tensor("c1").set_requires_grad(true);
    const auto out = t.train(tiny::images(6), 0, t.head + 1);
    out.square().sum().backward();
    return std::make_pair(out.detach(), c1.grad());
  };
  Tiny plain(tiny::traced(false)), none(tiny::traced(false)),
      back(tiny::traced(false));
  none.chain.regularise({});
  RegulariserOptions options;
  options.stochastic_depth = 0.5;
  options.head_dropout = 0.5;
  back.chain.regularise(options);
  // Without a run: one would move the running statistics.
  const auto report = back.chain.regularise({});
  EXPECT_TRUE(report.changes.empty());
  const auto expected = outcome(plain);
  for (Tiny* t : {&none, &back}) {
    const auto seen = outcome(*t);
    EXPECT_TRUE(seen.first.equal(expected.first));
    EXPECT_TRUE(seen.second.equal(expected.second));
  }
}

TEST(Regularise, TheSavedModelDoesNotChange) {
  Tiny t(tiny::traced(false));
  const auto saved = [&] {
    std::ostringstream out;
    t.model.module.save(out);
    return out.str();
  };
  const std::string before = saved();
  RegulariserOptions options;
  options.stochastic_depth = 0.5;
  options.head_dropout = options.drop_connect = 0.5;
  options.drop_connect_on = "all";
  options.bn_statistics = BatchNormStatistics::running;
  t.chain.regularise(options);
  t.train(tiny::images(6), 0, t.head + 1);
  t.chain.sample_logits(tiny::images(6), 2);
  EXPECT_TRUE(saved() == before);
}

TEST(Regularise, SaysWhatTheModelDoesNotHave) {
  const auto refused = [](auto change, const char* part) {
    Tiny t(tiny::tied());
    RegulariserOptions options;
    change(options);
    EXPECT_FAULT(t.chain.regularise(options), Fault::usage, part);
    // And the chain is as it was.
    EXPECT_TRUE(t.train(tiny::images(6), 0, t.head + 1)
                    .allclose(t.chain.logits(tiny::images(6)), 1e-5, 1e-6));
  };
  refused([](auto& o) { o.dropout = 0.5; }, "no dropout; --head-dropout");
  refused(
      [](auto& o) {
        o.stochastic_depth = 0.5;
        o.head_dropout = 0.5;
      },
      "no residual branch");
  refused([](auto& o) { o.fractional_pooling = true; }, "no max pooling");
  refused([](auto& o) { o.bn_momentum = 0.5; }, "--bn-momentum: the model");
  refused([](auto& o) { o.bn_statistics = BatchNormStatistics::running; },
          "--bn-statistics: the model");
  // The first blocks have a residual branch and batch norms, the head none.
  Tiny t(tiny::residual());
  RegulariserOptions options;
  options.stochastic_depth = 0.5;
  EXPECT_FAULT(t.chain.regularise(options, t.head), Fault::usage,
               "no residual branch that could be skipped from block " +
                   std::to_string(t.head) + " on");
}

TEST(RegulariserOptions, RefusesWhatMakesNoSense) {
  RegulariserOptions options;
  options.head_dropout = 1;
  EXPECT_FAULT(options.validate(), Fault::usage, "--head-dropout: 1");
  options = {};
  options.drop_connect_on = "all";
  EXPECT_FAULT(options.validate(), Fault::usage, "--drop-connect-on all");
  options = {};
  options.bn_momentum = 0.1;
  options.bn_statistics = BatchNormStatistics::running;
  EXPECT_FAULT(options.validate(), Fault::usage, "--bn-momentum");
  EXPECT_FALSE(RegulariserOptions{}.any());
}

}  // namespace
}  // namespace engraft
