// On real sets, where they are: ENGRAFT_TEST_DATA names the folder that holds
// hymenoptera/, sign_digits/, brain_mri/ and trashnet/. Their counts were
// taken with find and md5sum.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "engraft/data/image_folder.h"

namespace engraft {
namespace {

class RealData : public testing::Test {
 protected:
  ImageFolder scan(const std::string& name) {
    return scan_image_folder(root_ + "/" + name, {});
  }
  void SetUp() override {
    const char* root = std::getenv("ENGRAFT_TEST_DATA");
    if (!root || !std::filesystem::is_directory(root))
      GTEST_SKIP() << "ENGRAFT_TEST_DATA does not name a folder of real sets";
    root_ = root;
  }

  std::string root_;
};

TEST_F(RealData, HymenopteraHasItsOwnSplitAndAGifToLeaveOut) {
  const ImageFolder folder = scan("hymenoptera");
  EXPECT_EQ(folder.train.size(), 244U);
  EXPECT_EQ(folder.val.size(), 153U);
  ASSERT_EQ(folder.left_out.size(), 1U);
  EXPECT_NE(folder.left_out[0].path.find("imageNotFound.gif"),
            std::string::npos);
  EXPECT_EQ(folder.copies, 0);
}

TEST_F(RealData, SignDigitsHaveUpperCaseExtensions) {
  const ImageFolder folder = scan("sign_digits");
  EXPECT_EQ(folder.num_classes(), 10);
  EXPECT_EQ(folder.train.size() + folder.val.size(), 2062U);
  // Four standard deviations of a binomial about a fifth.
  EXPECT_NEAR(static_cast<double>(folder.val.size()), 412, 73);
}

TEST_F(RealData, BrainScansMixKindsAndRepeatThemselves) {
  const ImageFolder folder = scan("brain_mri");
  EXPECT_EQ(folder.train.size() + folder.val.size(), 253U);
  EXPECT_EQ(folder.copies, 47);  // in 22 groups
  EXPECT_EQ(folder.leaked, 0);
}

TEST_F(RealData, TrashnetShowsSomePicturesUnderTwoClasses) {
  const ImageFolder folder = scan("trashnet");
  EXPECT_EQ(folder.train.size() + folder.val.size(), 2527U);
  EXPECT_EQ(folder.copies, 6);  // in 3 groups
  EXPECT_EQ(folder.conflicting, 6);
  EXPECT_EQ(folder.leaked, 0);
}

}  // namespace
}  // namespace engraft
