#include "data/colour.h"

#include <gtest/gtest.h>

namespace engraft {
namespace {

cv::Vec3b changed(const ColourChange& change, cv::Vec3b colour) {
  cv::Mat pixel(1, 1, CV_8UC3, cv::Scalar(colour));
  change.apply(pixel);
  return pixel.at<cv::Vec3b>(0, 0);
}

TEST(MeanColour, IsEachChannelsOwn) {
  cv::Mat two(1, 2, CV_8UC3);
  two.at<cv::Vec3b>(0, 0) = {10, 0, 255};
  two.at<cv::Vec3b>(0, 1) = {21, 2, 255};
  EXPECT_EQ(mean_colour(two), (std::array<double, 3>{15.5, 1, 255}));
}

TEST(ColourChange, OfNothingKeepsEveryLevel) {
  for (int level = 0; level < 256; ++level) {
    const auto v = static_cast<uint8_t>(level);
    const auto w = static_cast<uint8_t>(255 - level);
    EXPECT_EQ(changed({}, {v, w, v}), cv::Vec3b(v, w, v));
  }
}

TEST(ColourChange, BrightnessScalesRoundsAndClips) {
  ColourChange change;
  change.scale_brightness(1.5);
  EXPECT_EQ(changed(change, {10, 101, 200}), cv::Vec3b(15, 152, 255));
}

TEST(ColourChange, ContrastZeroIsTheMeanGrey) {
  ColourChange change;
  change.scale_contrast(0, {100, 50, 200});
  // 0.299 * 100 + 0.587 * 50 + 0.114 * 200 = 82.05
  EXPECT_EQ(changed(change, {1, 2, 3}), cv::Vec3b(82, 82, 82));
}

TEST(ColourChange, SaturationMovesAwayFromThePixelsGrey) {
  ColourChange grey;
  grey.scale_saturation(0);
  EXPECT_EQ(changed(grey, {100, 50, 200}), cv::Vec3b(82, 82, 82));
  ColourChange half;
  half.scale_saturation(0.5);  // (c + 82.05) / 2
  EXPECT_EQ(changed(half, {100, 50, 200}), cv::Vec3b(91, 66, 141));
}

TEST(ColourChange, HueTurnsAroundTheGreyAxis) {
  ColourChange half;
  half.turn_hue(0.5);
  // Opposite colour, same luma: 2 * grey - c; 150 * 0.299 + 60 * 0.587 +
  // 90 * 0.114 = 90.33. The coefficients have four digits: 1 level.
  const cv::Vec3b opposite = changed(half, {150, 60, 90});
  EXPECT_NEAR(opposite[0], 31, 1);
  EXPECT_NEAR(opposite[1], 121, 1);
  EXPECT_NEAR(opposite[2], 91, 1);
  EXPECT_EQ(changed(half, {77, 77, 77}), cv::Vec3b(77, 77, 77));
  ColourChange third;
  third.turn_hue(1.0 / 3);
  // From red in the direction of green or blue, but no longer red.
  const cv::Vec3b turned = changed(third, {150, 60, 60});
  EXPECT_GT(std::max(turned[1], turned[2]), turned[0]);
}

TEST(ColourChange, StepsCompose) {
  ColourChange both, first, second;
  both.scale_brightness(0.8);
  both.scale_contrast(0.5, {100, 50, 200});
  first.scale_brightness(0.8);
  second.scale_contrast(0.5, {80, 40, 160});  // the mean after the first
  for (const cv::Vec3b& colour : {cv::Vec3b(10, 20, 30), {200, 100, 0}}) {
    const cv::Vec3b once = changed(both, colour);
    const cv::Vec3b twice = changed(second, changed(first, colour));
    for (int c = 0; c < 3; ++c) EXPECT_NEAR(once[c], twice[c], 1);
  }
}

}  // namespace
}  // namespace engraft
