#include "data/tone.h"

#include <gtest/gtest.h>

#include <map>

#include "support/tiny_images.h"

namespace engraft {
namespace {

using namespace test;

/// A picture of 25 rows and 24 columns with few levels.
cv::Mat few_levels() {
  cv::Mat out(25, 24, CV_8UC3);
  for (int y = 0; y < out.rows; ++y)
    for (int x = 0; x < out.cols; ++x)
      out.at<cv::Vec3b>(y, x) = {
          static_cast<uint8_t>(x * y % 7 * 30),
          static_cast<uint8_t>((x * x + y) % 5 * 11 + 100),
          static_cast<uint8_t>(x < 3 ? 200 : 9)};
  return out;
}

/// What became of each level of a colour.
std::map<int, int> levels(const cv::Mat& before, const cv::Mat& after, int c) {
  std::map<int, int> out;
  for (int y = 0; y < before.rows; ++y)
    for (int x = 0; x < before.cols; ++x) {
      const int to = after.at<cv::Vec3b>(y, x)[c];
      const auto [row, fresh] = out.emplace(before.at<cv::Vec3b>(y, x)[c], to);
      EXPECT_EQ(row->second, to);
    }
  return out;
}

using Map = std::map<int, int>;

TEST(Tone, EqualizeIsPillows) {
  // Pillow 13: ImageOps.equalize of the same picture, level by level.
  const cv::Mat before = few_levels();
  cv::Mat after = before.clone();
  equalize(after);
  EXPECT_EQ(levels(before, after, 0), (Map{{0, 0},
                                           {30, 90},
                                           {60, 125},
                                           {90, 161},
                                           {120, 196},
                                           {150, 231},
                                           {180, 255}}));
  EXPECT_EQ(levels(before, after, 1),
            (Map{{100, 0}, {111, 120}, {122, 240}, {133, 255}, {144, 255}}));
  EXPECT_EQ(levels(before, after, 2), (Map{{9, 0}, {200, 255}}));
}

TEST(Tone, AutocontrastReachesBlackAndWhiteInEachColour) {
  // (level - lowest) * 255 / (highest - lowest), cut to a whole number.
  const cv::Mat before = few_levels();
  cv::Mat after = before.clone();
  autocontrast(after);
  EXPECT_EQ(levels(before, after, 0), (Map{{0, 0},
                                           {30, 42},
                                           {60, 85},
                                           {90, 127},
                                           {120, 170},
                                           {150, 212},
                                           {180, 255}}));
  EXPECT_EQ(levels(before, after, 1),
            (Map{{100, 0}, {111, 63}, {122, 127}, {133, 191}, {144, 255}}));
  EXPECT_EQ(levels(before, after, 2), (Map{{9, 0}, {200, 255}}));
}

TEST(Tone, OneLevelHasNoContrastToStretch) {
  for (auto* change : {autocontrast, equalize}) {
    cv::Mat flat = flat_picture(30, 30, {0, 128, 255});
    change(flat);
    EXPECT_EQ(cv::norm(flat, flat_picture(30, 30, {0, 128, 255}), cv::NORM_INF),
              0);
  }
}

TEST(Tone, PosterizeAndSolarizeReachFromNothingToEverything) {
  const cv::Mat before = blob_picture(20, 20, 1);
  cv::Mat all = before.clone(), none = before.clone(), whole = before.clone(),
          inverted = before.clone();
  posterize(all, 8);
  posterize(none, 0);
  solarize(whole, 256);
  solarize(inverted, 0);
  EXPECT_EQ(cv::norm(all, before, cv::NORM_INF), 0);
  EXPECT_EQ(cv::norm(none, cv::NORM_INF), 0);
  EXPECT_EQ(cv::norm(whole, before, cv::NORM_INF), 0);
  EXPECT_EQ(cv::norm(inverted, cv::Scalar::all(255) - before, cv::NORM_INF), 0);
}

TEST(Tone, SharpnessSpreadsAPointByItsKernelAndLeavesTheBorder) {
  cv::Mat point = flat_picture(5, 5, {0, 0, 0});
  point.at<cv::Vec3b>(2, 2) = {130, 130, 130};
  cv::Mat smooth = point.clone(), sharp = point.clone();
  scale_sharpness(smooth, 0);
  EXPECT_EQ(smooth.at<cv::Vec3b>(2, 2)[0], 50);  // 130 * 5 / 13
  EXPECT_EQ(smooth.at<cv::Vec3b>(1, 3)[0], 10);
  scale_sharpness(sharp, 1.5);
  EXPECT_EQ(sharp.at<cv::Vec3b>(2, 2)[0], 170);  // 130 + (130 - 50) / 2
  EXPECT_EQ(sharp.at<cv::Vec3b>(1, 3)[0], 0);    // -5
  cv::Mat corner = flat_picture(5, 5, {0, 0, 0});
  corner.at<cv::Vec3b>(0, 0) = {130, 130, 130};
  scale_sharpness(corner, 0);
  EXPECT_EQ(corner.at<cv::Vec3b>(0, 0)[0], 130);
  EXPECT_EQ(corner.at<cv::Vec3b>(1, 1)[0], 10);
  EXPECT_EQ(corner.at<cv::Vec3b>(0, 1)[0], 0);
}

}  // namespace
}  // namespace engraft
