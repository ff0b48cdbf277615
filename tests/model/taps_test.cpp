#include "model/taps.h"

#include <gtest/gtest.h>

#include "engraft/model/prefix.h"
#include "support/tiny_models.h"

namespace engraft {
namespace {

TEST(Taps, GiveMeansOverPlacesOfWhatBlocksGive) {
  for (const auto& module : {tiny::residual(), tiny::attention()}) {
    const BlockChain chain(make_classifier(module, tiny::input()));
    torch::manual_seed(1);
    const auto images = torch::randn({5, 3, 16, 16});
    std::vector<int64_t> cuts{0};
    for (int64_t cut = 1; cut <= chain.num_blocks(); ++cut) cuts.push_back(cut);
    torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> expected{images.mean(1).flatten(1)};
    for (int64_t cut = 1; cut <= chain.num_blocks(); ++cut) {
      auto x = chain.run(images, 0, cut);
      if (x.dim() == 4) x = x.mean(torch::IntArrayRef{2, 3});
      if (x.dim() == 3) x = x.mean(1);
      EXPECT_EQ(x.size(1), tap_width(chain, cut));
      expected.push_back(x);
    }
    for (const auto kind : {InferenceKind::plain, InferenceKind::folded}) {
      FrozenPrefix prefix(chain, chain.num_blocks(), kind, 1000, cuts);
      const auto seen = prefix.run(images);
      int64_t at = 0;
      for (size_t i = 0; i < cuts.size(); ++i) {
        const int64_t width = expected[i].size(1);
        EXPECT_TRUE(
            torch::allclose(seen.narrow(1, at, width), expected[i], 1e-3, 1e-4))
            << prefix.choice().text() << ", cut " << cuts[i] << ": "
            << (seen.narrow(1, at, width) - expected[i]).abs().max();
        at += width;
      }
      EXPECT_EQ(at, seen.size(1));
    }
  }
}

TEST(Taps, TellWhereTheChannelsAre) {
  EXPECT_EQ(channel_dimension({64}), 1);
  EXPECT_EQ(channel_dimension({64, 7, 7}), 1);
  EXPECT_EQ(channel_dimension({7, 7, 64}), 3);
  EXPECT_EQ(channel_dimension({197, 768}), 2);
}

}  // namespace
}  // namespace engraft
