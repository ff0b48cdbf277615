#include "data/warp.h"

#include <gtest/gtest.h>

#include <functional>

#include "support/tiny_images.h"

namespace engraft {
namespace {

using namespace test;

constexpr int kSide = 64;
constexpr double kMiddle = (kSide - 1) / 2.0;

/// Where a place over the border is reflected to.
double inside(double place) {
  place = std::abs(place);
  return place > kSide - 1 ? 2 * (kSide - 1) - place : place;
}

/// Colours of a place_picture are places: each pixel of `view` shows the place
/// that `from` takes it to. 1 level: places are rounded to 1/32 pixel, colours
/// to whole levels.
void expect_places(const cv::Mat& view,
                   const std::function<cv::Point2d(int x, int y)>& from) {
  ASSERT_EQ(view.size(), cv::Size(kSide, kSide));
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x) {
      const auto pixel = view.at<cv::Vec3b>(y, x);
      EXPECT_NEAR(pixel[0], inside(from(x, y).x), 1) << x << " " << y;
      EXPECT_NEAR(pixel[1], inside(from(x, y).y), 1) << x << " " << y;
    }
}

TEST(Warp, RotatesSidesThatOpenCvDoesNot) {
  const cv::Mat wide(4, 40000, CV_8UC3, cv::Scalar(10, 20, 30));
  const cv::Mat out = rotated(wide, 5);
  EXPECT_EQ(out.cols, 32766);
  EXPECT_EQ(out.rows, 3);
  EXPECT_EQ(out.at<cv::Vec3b>(1, 16000), cv::Vec3b(10, 20, 30));
}

TEST(Warp, ShearsAboutTheMiddleAndReflectsTheBorder) {
  const cv::Mat picture = place_picture(kSide, kSide);
  expect_places(sheared(picture, 0.99, 0), [](int x, int y) {
    return cv::Point2d(x + 0.99 * (y - kMiddle), y);
  });
  expect_places(sheared(picture, 0, -0.3), [](int x, int y) {
    return cv::Point2d(x, y - 0.3 * (x - kMiddle));
  });
}

TEST(Warp, TranslatesByWholePixels) {
  const cv::Mat picture = blob_picture(kSide, kSide, 1);
  const cv::Mat right = translated(picture, 20.4 / kSide, 0);
  EXPECT_EQ(cv::norm(right.colRange(20, kSide), picture.colRange(0, kSide - 20),
                     cv::NORM_INF),
            0);
  const cv::Mat up = translated(picture, 0, -0.25);
  EXPECT_EQ(cv::norm(up.rowRange(0, kSide - 16), picture.rowRange(16, kSide),
                     cv::NORM_INF),
            0);
  expect_places(translated(place_picture(kSide, kSide), 0.5, -0.5),
                [](int x, int y) { return cv::Point2d(x - 32, y + 32); });
}

TEST(Warp, AgreesWithPillowInside) {
  // Pillow 13: place_picture.rotate(30, BILINEAR) and .transform(size, AFFINE,
  // (1, 0.3, -0.3 * 32, 0, 1, 0), BILINEAR), whose places count from the
  // pixel's corner; (x, y) and what is seen there. It cuts fractions off.
  const cv::Mat picture = place_picture(kSide, kSide);
  const cv::Mat turned = rotated(picture, 30), slid = sheared(picture, 0.3, 0);
  const struct {
    cv::Point at;
    int turned[2], slid[2];
  } rows[] = {{{20, 10}, {32, 7}, {13, 10}},
              {{40, 31}, {39, 35}, {39, 31}},
              {{33, 50}, {23, 48}, {38, 50}},
              {{30, 20}, {35, 20}, {26, 20}}};
  for (const auto& row : rows)
    for (int c = 0; c < 2; ++c) {
      EXPECT_NEAR(turned.at<cv::Vec3b>(row.at)[c], row.turned[c], 1);
      EXPECT_NEAR(slid.at<cv::Vec3b>(row.at)[c], row.slid[c], 1);
    }
}

}  // namespace
}  // namespace engraft
