#include "engraft/model/prefix.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>

#include "support/expect_fault.h"
#include "support/tiny_models.h"

namespace engraft {
namespace {

/// Models, ways of computing.
class EveryWay : public testing::TestWithParam<std::tuple<int, InferenceKind>> {
 protected:
  static torch::jit::Module make(int index) {
    switch (index) {
      case 0:
        return tiny::residual();
      case 1:
        return tiny::traced(true);
      case 2:
        return tiny::conv_head();
      case 3:
        return tiny::attention();
      case 4:
        return tiny::activations();
      default:
        return tiny::tied();
    }
  }
};

TEST_P(EveryWay, GivesWhatTheChainGives) {
  const auto [model, kind] = GetParam();
  const BlockChain chain(make_classifier(make(model), tiny::input()));
  const auto x = tiny::images(70);
  for (int64_t end = 0; end <= chain.num_blocks() + 1; ++end) {
    FrozenPrefix prefix(chain, end, InferenceKind::automatic, 0);
    try {
      prefix = FrozenPrefix(chain, end, kind, 70);
      prefix.run(x);
    } catch (const Error& error) {
      // No convolution before the cut, or none at all: nothing to fuse.
      EXPECT_NE(std::string(error.what()).find("not possible"),
                std::string::npos);
      continue;
    }
    torch::NoGradGuard no_grad;
    const auto expected = chain.run(x, 0, end);
    const auto seen = prefix.run(x);
    ASSERT_EQ(seen.sizes(), expected.sizes());
    EXPECT_FALSE(seen.requires_grad());
    // bfloat16 keeps 8 bits: a few parts in a thousand a layer.
    const double limit = kind == InferenceKind::bf16 ? 3e-2 : 1e-5;
    const double scale = expected.abs().max().item<double>();
    EXPECT_LE((seen - expected).abs().max().item<double>(), limit * scale)
        << "end " << end;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Tiny, EveryWay,
    testing::Combine(testing::Range(0, 6),
                     testing::Values(InferenceKind::plain,
                                     InferenceKind::folded,
                                     InferenceKind::fused,
                                     InferenceKind::onednn,
                                     InferenceKind::bf16)));

TEST(FrozenPrefix, APictureDoesNotSeeItsCompany) {
  const BlockChain chain(make_classifier(tiny::residual(), tiny::input()));
  FrozenPrefix prefix(chain, 1, InferenceKind::fused, 1000);
  const auto x = tiny::images(2 * prefix.pictures_at_once(1) + 3);
  const auto together = prefix.run(x);
  for (int64_t i = 0; i < x.size(0); ++i)
    EXPECT_TRUE(prefix.run(x.narrow(0, i, 1)).equal(together.narrow(0, i, 1)))
        << i;
}

TEST(FrozenPrefix, DecidesByTimeAndSaysSo) {
  const BlockChain chain(make_classifier(tiny::residual(), tiny::input()));
  FrozenPrefix prefix(chain, 2, InferenceKind::automatic, 10000);
  EXPECT_TRUE(prefix.choice().trials.empty());
  prefix.run(tiny::images(4));
  const PrefixChoice& choice = prefix.choice();
  ASSERT_GE(choice.trials.size(), 4u);
  EXPECT_EQ(choice.trials[0].kind, InferenceKind::plain);
  double own = 0;
  for (const PrefixTrial& t : choice.trials) {
    EXPECT_TRUE(t.milliseconds > 0 || !t.refused.empty());
    if (t.kind == choice.kind) own = t.milliseconds;
  }
  EXPECT_LE(own, choice.trials[0].milliseconds);
  EXPECT_NE(choice.text().find(name_of(choice.kind)), std::string::npos);
}

TEST(FrozenPrefix, TriesOnednnWhereNoConvolutionCanBeFused) {
  const BlockChain chain(make_classifier(tiny::uncuttable(), tiny::input()));
  FrozenPrefix prefix(chain, 1, InferenceKind::automatic, 260);
  prefix.run(tiny::images(4));
  const auto& trials = prefix.choice().trials;
  const auto onednn =
      std::ranges::find(trials, InferenceKind::onednn, &PrefixTrial::kind);
  ASSERT_NE(onednn, trials.end());
  EXPECT_GT(onednn->milliseconds, 0) << onednn->refused;
}

TEST(FrozenPrefix, FewPicturesGetTheChainsOwnGraph) {
  const BlockChain chain(make_classifier(tiny::residual(), tiny::input()));
  FrozenPrefix prefix(chain, 2, InferenceKind::automatic, 1);
  prefix.run(tiny::images(1));
  EXPECT_EQ(prefix.choice().kind, InferenceKind::plain);
}

TEST(FrozenPrefix, LeavesTheImagesAlone) {
  const BlockChain chain(make_classifier(tiny::residual(), tiny::input()));
  for (const auto kind : {InferenceKind::plain, InferenceKind::fused}) {
    FrozenPrefix prefix(chain, 1, kind, 1000);
    const auto x = tiny::images(3);
    const auto before = x.clone();
    prefix.run(x);
    EXPECT_TRUE(x.equal(before));
  }
}

TEST(FrozenPrefix, APreferredWayIsTakenUntimed) {
  const BlockChain chain(make_classifier(tiny::residual(), tiny::input()));
  FrozenPrefix prefix(chain, 2, InferenceKind::automatic, 10000);
  prefix.prefer(InferenceKind::folded);
  prefix.run(tiny::images(4));
  EXPECT_EQ(prefix.choice().kind, InferenceKind::folded);
  EXPECT_EQ(prefix.choice().trials.size(), 1u);
}

TEST(FrozenPrefix, APreferredWayThatIsImpossibleGivesWayToPlain) {
  const BlockChain chain(make_classifier(tiny::uncuttable(), tiny::input()));
  FrozenPrefix prefix(chain, 1, InferenceKind::automatic, 10000);
  prefix.prefer(InferenceKind::fused);
  prefix.run(tiny::images(2));
  EXPECT_EQ(prefix.choice().kind, InferenceKind::plain);
}

TEST(FrozenPrefix, AnImpossibleWayIsAUsageError) {
  // Its only block without the head is the identity: no convolution there.
  const BlockChain chain(make_classifier(tiny::uncuttable(), tiny::input()));
  FrozenPrefix prefix(chain, 1, InferenceKind::fused, 1000);
  EXPECT_FAULT(prefix.run(tiny::images(2)), Fault::usage, "--inference fused");
}

}  // namespace
}  // namespace engraft
