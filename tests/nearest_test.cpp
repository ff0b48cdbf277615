#include "engraft/nearest.h"

#include <gtest/gtest.h>

namespace engraft {
namespace {

TEST(Nearest, DistanceCountsChangesAndSwaps) {
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("trian", "train"), 1);
  EXPECT_EQ(edit_distance("same", "same"), 0);
}

TEST(Nearest, NamesAreNearestFirstAndNeverFarFetched) {
  const std::vector<std::string> names{"--epochs", "--head-epochs", "--lr"};
  EXPECT_EQ(nearest_names("--epoch", names)[0], "--epochs");
  EXPECT_EQ(nearest_names("--EPOCHS", names)[0], "--epochs");
  EXPECT_TRUE(nearest_names("zzzzzz", names).empty());
  EXPECT_EQ(did_you_mean("--epoch", names), "; did you mean '--epochs'?");
  EXPECT_EQ(did_you_mean("zzzzzz", names), "");
}

}  // namespace
}  // namespace engraft
