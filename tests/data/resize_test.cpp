#include <gtest/gtest.h>

#include <vector>

#include "engraft/data/image.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

/// 9 x 13 pixels of (37 x + 59 y + 83 c + 11 x y) mod 256.
cv::Mat busy_picture() {
  cv::Mat image(9, 13, CV_8UC3);
  for (int y = 0; y < 9; ++y)
    for (int x = 0; x < 13; ++x)
      for (int c = 0; c < 3; ++c)
        image.at<cv::Vec3b>(y, x)[c] =
            static_cast<uint8_t>(37 * x + 59 * y + 83 * c + 11 * x * y);
  return image;
}

int largest_difference(const cv::Mat& image, const std::vector<int>& values) {
  EXPECT_TRUE(image.isContinuous());
  EXPECT_EQ(image.total() * 3, values.size());
  int largest = 0;
  for (size_t i = 0; i < values.size(); ++i)
    largest = std::max(largest, std::abs(image.data[i] - values[i]));
  return largest;
}

// The numbers are Pillow 13's: Image.fromarray(busy).resize((6, 4), filter).

TEST(ResizeImage, MatchesPillowBilinearWithinOneLevel) {
  const std::vector<int> pillow{
      85,  137, 133, 143, 139, 111, 146, 119, 109, 105, 119, 125, 127, 123, 148,
      129, 144, 126, 163, 94,  126, 139, 128, 128, 117, 132, 128, 122, 140, 140,
      126, 115, 119, 160, 91,  121, 125, 132, 122, 142, 140, 136, 157, 133, 122,
      109, 149, 141, 100, 120, 97,  115, 115, 111, 125, 131, 132, 151, 127, 134,
      150, 105, 134, 123, 98,  160, 101, 132, 135, 139, 103, 130};
  EXPECT_LE(
      largest_difference(
          resize_image(busy_picture(), 4, 6, Interpolation::bilinear), pillow),
      1);
}

TEST(ResizeImage, MatchesPillowBicubicWithinTwoLevels) {
  const std::vector<int> pillow{
      75,  138, 136, 147, 143, 110, 151, 118, 104, 102, 114, 126, 125, 124, 153,
      129, 149, 124, 172, 89,  124, 136, 128, 129, 112, 134, 128, 124, 141, 145,
      126, 116, 116, 165, 85,  123, 121, 132, 120, 143, 145, 135, 163, 132, 121,
      106, 154, 142, 95,  119, 90,  114, 116, 109, 122, 132, 132, 152, 127, 134,
      152, 101, 134, 124, 93,  166, 96,  136, 135, 144, 101, 132};
  EXPECT_LE(
      largest_difference(
          resize_image(busy_picture(), 4, 6, Interpolation::bicubic), pillow),
      2);
}

TEST(ResizeImage, PicksThePixelsThatPillowNearestPicks) {
  const std::vector<int> red{107, 203, 43, 139, 235, 75,  247, 131,
                             15,  155, 39, 179, 131, 59,  243, 171,
                             99,  27,  15, 243, 215, 187, 159, 131};
  const cv::Mat image =
      resize_image(busy_picture(), 4, 6, Interpolation::nearest);
  for (int i = 0; i < 24; ++i)
    EXPECT_EQ(image.at<cv::Vec3b>(i / 6, i % 6)[0],
              red[static_cast<size_t>(i)]);
}

TEST(ResizeImage, KeepsAFlatPictureFlat) {
  for (const auto filter : {Interpolation::nearest, Interpolation::bilinear,
                            Interpolation::bicubic}) {
    const cv::Mat flat = test::flat_picture(50, 70, {10, 200, 255});
    for (const int side : {7, 224}) {
      const cv::Mat image = resize_image(flat, side, side + 3, filter);
      EXPECT_EQ(
          cv::norm(image, test::flat_picture(side, side + 3, {10, 200, 255}),
                   cv::NORM_INF),
          0);
    }
  }
}

TEST(ResizeImage, TreatsAWindowOfAPictureAsThatPictureAlone) {
  const cv::Mat whole = test::blob_picture(60, 90, 1);
  const cv::Mat window = whole(cv::Rect(11, 7, 51, 40));
  for (const auto filter : {Interpolation::bilinear, Interpolation::bicubic})
    EXPECT_EQ(
        cv::norm(resize_image(window, 32, 32, filter),
                 resize_image(window.clone(), 32, 32, filter), cv::NORM_INF),
        0);
}

TEST(ResizeImage, TakesPicturesOfOnePixel) {
  const cv::Mat dot = test::flat_picture(1, 1, {9, 8, 7});
  EXPECT_EQ(
      resize_image(dot, 3, 5, Interpolation::bilinear).at<cv::Vec3b>(2, 4),
      cv::Vec3b(9, 8, 7));
}

TEST(ResizeShorterSide, RoundsTheLongerSideDown) {
  // 500 * 256 / 375 = 341.3; 333 * 256 / 500 is for the longer one: 384.4
  EXPECT_EQ(resize_shorter_side(test::place_picture(375, 500), 256,
                                Interpolation::bilinear)
                .size(),
            cv::Size(341, 256));
  EXPECT_EQ(resize_shorter_side(test::place_picture(500, 333), 256,
                                Interpolation::bilinear)
                .size(),
            cv::Size(256, 384));
}

}  // namespace
}  // namespace engraft
