#include "cli/epoch_text.h"

#include <gtest/gtest.h>

#include <cmath>

#include "cli/has_text.h"

namespace engraft::cli {
namespace {

TEST(GapText, AdvisesWhatFitsWhatWasTrained) {
  EpochResult best;
  best.stage = "blocks";
  best.train_accuracy = 0.97;
  best.val_accuracy = 0.88;
  EXPECT_EQ(gap_text(best, AugmentStrength::standard), "");
  best.val_accuracy = 0.85;
  const std::string blocks = gap_text(best, AugmentStrength::standard);
  EXPECT_TRUE(has(blocks, "is 12.0 points above validation"));
  EXPECT_TRUE(has(blocks,
                  "More pictures, --augment strong, a higher --weight-decay or "
                  "fewer trained blocks (--freeze-until) narrow the gap"))
      << blocks;
  for (const auto views :
       {AugmentStrength::none, AugmentStrength::light, AugmentStrength::strong})
    EXPECT_FALSE(has(gap_text(best, views), "--augment"));
  best.stage = "head";
  EXPECT_TRUE(has(gap_text(best, AugmentStrength::light),
                  "More pictures or a higher --weight-decay narrow"));
  best.solved = true;
  EXPECT_TRUE(has(gap_text(best, AugmentStrength::light),
                  "More pictures or a higher --head-l2 narrow"));
  // Nothing validates it.
  best.val_accuracy = std::nan("");
  EXPECT_EQ(gap_text(best, AugmentStrength::light), "");
}

}  // namespace
}  // namespace engraft::cli
