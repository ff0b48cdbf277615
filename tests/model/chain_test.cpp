#include "engraft/model/chain.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "engraft/model/surgery.h"
#include "support/expect_fault.h"
#include "support/tiny_models.h"

namespace engraft {
namespace {

/// The module's own executor on the input's memory format that the chain uses.
torch::Tensor whole(Classifier& classifier, const torch::Tensor& images) {
  torch::NoGradGuard no_grad;
  return classifier.module
      .forward({images.contiguous(at::MemoryFormat::ChannelsLast).clone()})
      .toTensor();
}

TEST(Fingerprint, KnowsTheWeightsOfAFrozenGraph) {
  const auto print = [](float change) {
    const Classifier model = make_classifier(tiny::frozen(), tiny::input());
    for (auto* node :
         model.module.get_method("forward").graph()->block()->nodes())
      if (node->kind() == torch::jit::prim::Constant) {
        const auto value = torch::jit::toIValue(node->output());
        if (value && value->isTensor() && value->toTensor().dim() == 4)
          value->toTensor().flatten()[0] += change;
      }
    return BlockChain(model).fingerprint(1);
  };
  EXPECT_EQ(print(0), print(0));
  EXPECT_NE(print(0), print(0.5));
}

class EveryModel : public testing::TestWithParam<int> {
 protected:
  static torch::jit::Module make(int index) {
    switch (index) {
      case 0:
        return tiny::residual();
      case 1:
        return tiny::traced(false);
      case 2:
        return tiny::traced(true);
      case 3:
        return tiny::asserting();
      case 4:
        return tiny::conv_head();
      case 5:
        return tiny::addmm_head();
      case 6:
        return tiny::matmul_head();
      case 7:
        return tiny::attention();
      case 8:
        return tiny::tied();
      case 9:
        return tiny::uncuttable();
      case 10:
        return tiny::fast_attention();
      case 11:
        return tiny::writes_list();
      case 12:
        return tiny::ending("cast");
      default:
        return tiny::ending("log_softmax");
    }
  }
};

TEST_P(EveryModel, PrefixThenSuffixEqualsTheWholeBitForBit) {
  Classifier model = make_classifier(make(GetParam()), tiny::input());
  const auto expected = whole(model, tiny::images(3));
  const BlockChain chain(model);
  ASSERT_GE(chain.num_blocks(), 1);
  torch::NoGradGuard no_grad;
  for (int64_t cut = 0; cut <= chain.num_blocks(); ++cut) {
    const auto features = chain.run(tiny::images(3), 0, cut);
    const auto joined = chain.run(features, cut, chain.num_blocks() + 1);
    EXPECT_TRUE(joined.equal(expected)) << "cut " << cut;
  }
}

TEST_P(EveryModel, ARunLeavesItsInputAlone) {
  Classifier model = make_classifier(make(GetParam()), tiny::input());
  const BlockChain chain(model);
  torch::NoGradGuard no_grad;
  for (int64_t cut = 0; cut <= chain.num_blocks(); ++cut) {
    const auto features = chain.run(tiny::images(3), 0, cut).clone();
    const auto before = features.clone();
    chain.run(features, cut, chain.num_blocks() + 1, BlockMode::training);
    EXPECT_TRUE(features.equal(before)) << "cut " << cut;
  }
}

TEST_P(EveryModel, OtherBatchSizesWork) {
  Classifier model = make_classifier(make(GetParam()), tiny::input());
  const BlockChain chain(model);
  const auto all = chain.logits(tiny::images(5));
  for (int64_t i = 0; i < 5; ++i)
    EXPECT_TRUE(
        torch::allclose(chain.logits(tiny::images(5).slice(0, i, i + 1)),
                        all.slice(0, i, i + 1), 1e-4, 1e-5));
}

TEST_P(EveryModel, TrainingReachesEveryParameter) {
  Classifier model = make_classifier(make(GetParam()), tiny::input());
  const BlockChain chain(model);
  for (int64_t i = 0; i <= chain.num_blocks(); ++i)
    for (auto t : chain.block(i).tensors)
      if (!t.is_buffer) t.tensor.set_requires_grad(true);
  const auto out = chain.run(tiny::images(3), 0, chain.num_blocks() + 1,
                             BlockMode::training);
  out.square().sum().backward();
  for (int64_t i = 0; i <= chain.num_blocks(); ++i)
    for (const auto& t : chain.block(i).tensors)
      EXPECT_TRUE(t.is_buffer || t.tensor.grad().defined()) << t.name;
}

INSTANTIATE_TEST_SUITE_P(Tiny, EveryModel, testing::Range(0, 14));

TEST(Chain, GroupsStepsAtResidualBoundaries) {
  const BlockChain chain(make_classifier(tiny::residual(), tiny::input()));
  // conv-bn-relu; the residual block of two convolutions; conv-bn-relu and
  // the residual of one convolution, with pooling and flatten.
  ASSERT_EQ(chain.num_blocks(), 3);
  EXPECT_EQ(chain.block(0).num_parameters, 8 * 27 + 16);
  EXPECT_EQ(chain.block(1).num_parameters, 2 * (8 * 72 + 16));
  EXPECT_EQ(chain.block(2).num_parameters, 12 * 72 + 24 + 12 * 108 + 24);
  EXPECT_EQ(chain.block(2).output_size, std::vector<int64_t>{12});
  EXPECT_EQ(chain.block(3).num_parameters, 5 * 12 + 5);
  EXPECT_FALSE(chain.fused_head());
}

TEST(Chain, CountsTheNormsOfItsBlocks) {
  const auto counts = [](const torch::jit::Module& module) {
    const BlockChain chain(make_classifier(module, tiny::input()));
    std::pair<int64_t, int64_t> sum;
    for (int64_t i = 0; i < chain.num_blocks(); ++i) {
      sum.first += chain.block(i).batch_norms;
      sum.second += chain.block(i).layer_norms;
    }
    return sum;
  };
  EXPECT_EQ(counts(tiny::residual()), std::pair(int64_t{5}, int64_t{0}));
  EXPECT_EQ(counts(tiny::attention()), std::pair(int64_t{0}, int64_t{1}));
  // Two encoder layers, each in one step.
  EXPECT_EQ(counts(tiny::fast_attention()), std::pair(int64_t{0}, int64_t{2}));
}

TEST(Chain, AssertionsDoNotHideCutPoints) {
  const BlockChain plain(make_classifier(tiny::residual(), tiny::input()));
  const BlockChain guarded(make_classifier(tiny::asserting(), tiny::input()));
  EXPECT_EQ(plain.num_blocks(), guarded.num_blocks());
}

TEST(Chain, ScriptAndTraceGiveTheSameBlocks) {
  const BlockChain script(make_classifier(tiny::residual(), tiny::input()));
  for (const bool train_mode : {false, true}) {
    const BlockChain trace(
        make_classifier(tiny::traced(train_mode), tiny::input()));
    ASSERT_EQ(trace.num_blocks(), script.num_blocks());
    EXPECT_TRUE(
        trace.logits(tiny::images(3)).equal(script.logits(tiny::images(3))));
  }
}

TEST(Chain, TrainingModeUsesBatchStatisticsAndDropout) {
  Classifier model = make_classifier(tiny::traced(false), tiny::input());
  const BlockChain chain(model);
  const auto mean = model.module.attr("n1_mean").toTensor();
  const auto before = mean.clone();
  const auto x = tiny::images(3);
  const auto out = chain.run(x, 0, 1, BlockMode::training);
  // By hand: normalise the convolution with its own statistics.
  const auto y = torch::conv2d(x, model.module.attr("c1").toTensor(), {}, 1, 1);
  const auto batch_mean = y.mean({0, 2, 3});
  const auto centred = y - batch_mean.view({1, -1, 1, 1});
  const auto var = centred.square().mean({0, 2, 3});
  const auto by_hand =
      centred / (var + 1e-5).sqrt().view({1, -1, 1, 1}) *
          model.module.attr("n1_w").toTensor().view({1, -1, 1, 1}) +
      model.module.attr("n1_b").toTensor().view({1, -1, 1, 1});
  EXPECT_TRUE(torch::allclose(out, by_hand.relu(), 1e-4, 1e-4));
  EXPECT_TRUE(
      torch::allclose(mean, 0.9 * before + 0.1 * batch_mean, 1e-4, 1e-5));
  // Dropout of 0.2 in front of the final layer: two draws differ.
  torch::manual_seed(0);
  const auto features = chain.run(x, 0, chain.num_blocks());
  const auto head = chain.num_blocks();
  EXPECT_FALSE(
      chain.run(features, head, head + 1, BlockMode::training)
          .equal(chain.run(features, head, head + 1, BlockMode::training)));
}

TEST(Chain, FusedAttentionTrainsAsWhatItIs) {
  Classifier model = make_classifier(tiny::fast_attention(), tiny::input());
  const BlockChain chain(model);
  const int64_t end = chain.num_blocks() + 1;
  const auto fused = whole(model, tiny::images(3));
  const auto spelled = chain.run(tiny::images(3), 0, end, BlockMode::training);
  EXPECT_TRUE(torch::allclose(spelled.detach(), fused, 1e-4, 1e-5))
      << (spelled - fused).abs().max();
}

TEST(Chain, InferenceModeChangesNoRunningStatistic) {
  Classifier model = make_classifier(tiny::traced(true), tiny::input());
  const BlockChain chain(model);
  const auto mean = model.module.attr("n1_mean").toTensor();
  const auto before = mean.clone();
  chain.logits(tiny::images(3));
  EXPECT_TRUE(mean.equal(before));
}

TEST(Chain, SharedWeightsAreOneTensor) {
  const BlockChain chain(make_classifier(tiny::tied(), tiny::input()));
  const auto& first = chain.block(1).tensors;
  const auto& second = chain.block(2).tensors;
  ASSERT_EQ(first.size(), 1u);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_TRUE(first[0].tensor.is_same(second[0].tensor));
}

TEST(Chain, WithoutACutPointTheHeadStillTrainsAlone) {
  Classifier model = make_classifier(tiny::uncuttable(), tiny::input());
  const BlockChain chain(model);
  EXPECT_TRUE(chain.fused_head());
  EXPECT_EQ(chain.num_blocks(), 1);
  EXPECT_EQ(chain.block(1).tensors.size(), 2u);
}

TEST(Chain, ABatchNormSeesWhatTheConvolutionGives) {
  Classifier model = make_classifier(tiny::residual(), tiny::input());
  const BlockChain chain(model);
  const BatchNormProbe probe(chain);
  const auto seen = probe.run(tiny::images(3));
  ASSERT_EQ(seen.size(), 5u);
  const auto y = torch::conv2d(tiny::images(3),
                               model.module.attr("c1").toTensor(), {}, 1, 1) -
                 model.module.attr("n1_mean").toTensor().view({1, -1, 1, 1});
  EXPECT_TRUE(torch::allclose(seen[0].mean, y.mean({0, 2, 3}), 1e-4, 1e-5));
  EXPECT_TRUE(
      torch::allclose(seen[0].square, y.square().mean({0, 2, 3}), 1e-4, 1e-5));
  EXPECT_TRUE(
      seen[0].running_var.is_same(model.module.attr("n1_var").toTensor()));
  EXPECT_EQ(BatchNormProbe(chain, 0.3).run(tiny::images(3)).size(), 2u);
  EXPECT_TRUE(
      BatchNormProbe(BlockChain(make_classifier(tiny::tied(), tiny::input())))
          .empty());
}

TEST(Chain, FindsBlocksByNumberAndName) {
  const BlockChain chain(make_classifier(tiny::residual(), tiny::input()));
  EXPECT_EQ(chain.find_block("all"), 3);
  EXPECT_EQ(chain.find_block("none"), 0);
  EXPECT_EQ(chain.find_block("2"), 2);
  EXPECT_EQ(chain.find_block(chain.block(1).name), 1);
  EXPECT_FAULT(chain.find_block("layer9"), Fault::usage, "layer9");
}

}  // namespace
}  // namespace engraft
