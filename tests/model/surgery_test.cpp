#include "engraft/model/surgery.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <map>

#include "support/expect_fault.h"
#include "support/tiny_models.h"

namespace engraft {
namespace {

std::map<std::string, torch::Tensor> state(const Classifier& model) {
  std::map<std::string, torch::Tensor> out;
  for (const auto& p : model.module.named_parameters())
    out[p.name] = p.value.detach().clone();
  for (const auto& b : model.module.named_buffers())
    out[b.name] = b.value.detach().clone();
  return out;
}

TEST(ReplaceHead, ChangesTheFinalLayerAlone) {
  Classifier model = make_classifier(tiny::residual(), tiny::input());
  const auto before = state(model);
  replace_head(model, 3, 1);
  const auto after = state(model);
  ASSERT_EQ(before.size(), after.size());
  for (const auto& [name, tensor] : before)
    if (name != "fc_w" && name != "fc_b") {
      EXPECT_TRUE(after.at(name).equal(tensor)) << name;
    }
  EXPECT_EQ(after.at("fc_w").sizes(), (std::vector<int64_t>{3, 12}));
  EXPECT_EQ(after.at("fc_b").abs().max().item<float>(), 0);
  EXPECT_EQ(BlockChain(model).logits(torch::randn({2, 3, 16, 16})).size(1), 3);
}

TEST(ReplaceHead, DrawsTheSameWeightsFromTheSameSeed) {
  const auto weight = [](uint64_t seed) {
    Classifier model = make_classifier(tiny::residual(), tiny::input());
    replace_head(model, 300, seed);
    return state(model).at("fc_w");
  };
  EXPECT_TRUE(weight(1).equal(weight(1)));
  EXPECT_FALSE(weight(1).equal(weight(2)));
  EXPECT_NEAR(weight(1).std().item<double>(), 0.01, 0.001);
}

TEST(ReplaceHead, PutBackGivesTheOldLogits) {
  for (auto make : {tiny::residual, tiny::conv_head, tiny::addmm_head,
                    tiny::matmul_head, tiny::attention}) {
    Classifier model = make_classifier(make(5), tiny::input());
    const auto x = torch::randn({2, 3, 16, 16});
    const auto before = BlockChain(model).logits(x);
    const OldHead old = replace_head(model, 7, 1);
    EXPECT_EQ(BlockChain(model).logits(x).size(1), 7);
    restore_head(model, old);
    EXPECT_TRUE(BlockChain(model).logits(x).equal(before));
  }
}

TEST(FindHead, KnowsEveryKind) {
  const auto kind = [](const torch::jit::Module& m) {
    return BlockChain(make_classifier(m, tiny::input())).head();
  };
  EXPECT_EQ(kind(tiny::residual()).kind, HeadKind::linear);
  EXPECT_EQ(kind(tiny::conv_head()).kind, HeadKind::conv);
  EXPECT_EQ(kind(tiny::addmm_head()).kind, HeadKind::addmm);
  EXPECT_EQ(kind(tiny::matmul_head()).kind, HeadKind::matmul);
  EXPECT_TRUE(kind(tiny::matmul_head()).input_major);
  EXPECT_EQ(kind(tiny::matmul_head()).features, 12);
  EXPECT_EQ(kind(tiny::matmul_head()).bias, "fc_b");
}

TEST(FindHead, SaysWhatItMetWhenThereIsNone) {
  EXPECT_FAULT(BlockChain(make_classifier(tiny::ending("none"), tiny::input())),
               Fault::model, "aten::tanh");
  EXPECT_FAULT(
      BlockChain(make_classifier(tiny::ending("sigmoid"), tiny::input())),
      Fault::model, "aten::sigmoid");
}

TEST(ReplaceHead, RefusesAWeightThatWorksElsewhere) {
  torch::jit::Module m("twice");
  m.register_parameter("w", torch::randn({3, 3}), false);
  m.define(
      "def forward(self, x: Tensor):\n"
      "  f = torch.linear(torch.mean(x, [2, 3]), self.w)\n"
      "  return torch.linear(f, self.w)\n");
  Classifier model = make_classifier(m, tiny::input());
  EXPECT_FAULT(replace_head(model, 4, 1), Fault::model, "also used elsewhere");
}

}  // namespace
}  // namespace engraft
