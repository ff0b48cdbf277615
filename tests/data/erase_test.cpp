#include "data/erase.h"

#include <gtest/gtest.h>

#include <cmath>
#include <opencv2/imgproc.hpp>

#include "support/tiny_images.h"

namespace engraft {
namespace {

using namespace test;

constexpr int kSide = 100;

/// Pixels that are no longer of the flat picture's colour: 255 where so.
cv::Mat changed(const cv::Mat& view) {
  cv::Mat same;
  cv::inRange(view, cv::Scalar(1, 2, 3), cv::Scalar(1, 2, 3), same);
  return cv::Scalar::all(255) - same;
}

TEST(EraseRectangle, HasThePapersAreasAndAspects) {
  double smallest = 1, largest = 0, flattest = 0, tallest = 0;
  for (uint64_t key = 0; key < 400; ++key) {
    cv::Mat view = flat_picture(kSide, kSide, {1, 2, 3});
    ImageRandom random(1, 2, key);
    erase_rectangle(view, random);
    const cv::Mat mask = changed(view);
    const cv::Rect box = cv::boundingRect(mask);
    // One rectangle, whole: a pixel gets its old colour once in 2^24.
    EXPECT_EQ(cv::countNonZero(mask), box.area());
    const double area = static_cast<double>(box.area()) / (kSide * kSide);
    smallest = std::min(smallest, area);
    largest = std::max(largest, area);
    const double aspect = std::log(static_cast<double>(box.width) / box.height);
    flattest = std::max(flattest, aspect);
    tallest = std::min(tallest, aspect);
  }
  // Sides are whole pixels: of the smallest, 8 x 26, half a pixel is 6 %.
  EXPECT_NEAR(smallest, 0.02, 0.003);
  EXPECT_NEAR(largest, 0.33, 0.015);
  EXPECT_NEAR(flattest, std::log(1 / 0.3), 0.08);
  EXPECT_NEAR(tallest, std::log(0.3), 0.08);
}

TEST(EraseRectangle, FillsWithUniformNoise) {
  double sum = 0, square = 0, count = 0;
  for (uint64_t key = 0; key < 10; ++key) {
    cv::Mat view = flat_picture(kSide, kSide, {1, 2, 3});
    ImageRandom random(1, 2, key);
    erase_rectangle(view, random);
    const cv::Mat mask = changed(view);
    for (int y = 0; y < kSide; ++y)
      for (int x = 0; x < kSide; ++x)
        for (int c = 0; c < 3 && mask.at<uint8_t>(y, x); ++c) {
          const double level = view.at<cv::Vec3b>(y, x)[c];
          sum += level;
          square += level * level;
          ++count;
        }
  }
  ASSERT_GT(count, 6000);  // ten rectangles of 2 % at least
  // Uniform in [0, 255]: variance (256^2 - 1) / 12 = 5461.25. Four standard
  // errors of 6000 draws are 3.8 and 250.
  const double mean = sum / count;
  EXPECT_NEAR(mean, 127.5, 3.8);
  EXPECT_NEAR(square / count - mean * mean, 5461, 250);
}

}  // namespace
}  // namespace engraft
