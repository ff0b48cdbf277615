#include "engraft/data/crops.h"

#include <gtest/gtest.h>

#include "support/tiny_images.h"

namespace engraft {
namespace {

using namespace test;

InputSpec spec_of(int64_t resize, int64_t crop) {
  InputSpec spec;
  spec.resize = resize;
  spec.crop = crop;
  return spec;
}

/// Place of a view's upper left pixel in a place_picture.
cv::Point corner(const cv::Mat& view) {
  return {view.at<cv::Vec3b>(0, 0)[0], view.at<cv::Vec3b>(0, 0)[1]};
}

TEST(EvaluationViews, CutTheCentreAsTorchvisionRounds) {
  // No resize: the shorter side is `resize` already. round(7 / 2) = 4 and
  // round(5 / 2) = 2: halves go to the even number.
  EXPECT_EQ(
      corner(evaluation_views(place_picture(32, 31), spec_of(31, 24), 1)[0]),
      cv::Point(4, 4));
  EXPECT_EQ(
      corner(evaluation_views(place_picture(29, 39), spec_of(29, 24), 1)[0]),
      cv::Point(8, 2));
}

TEST(EvaluationViews, AreCornersAndCentreThenTheirMirrorImages) {
  const auto views =
      evaluation_views(place_picture(30, 40), spec_of(30, 20), 10);
  ASSERT_EQ(views.size(), 10U);
  const std::vector<cv::Point> corners{
      {0, 0}, {20, 0}, {0, 10}, {20, 10}, {10, 5}};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(views[i].size(), cv::Size(20, 20));
    EXPECT_EQ(corner(views[i]), corners[i]);
    // A mirror image begins with the window's right column.
    EXPECT_EQ(corner(views[i + 5]), corners[i] + cv::Point(19, 0));
  }
  const auto five = evaluation_views(place_picture(30, 40), spec_of(30, 20), 5);
  ASSERT_EQ(five.size(), 5U);
  EXPECT_EQ(corner(five[4]), corners[4]);
}

TEST(EvaluationViews, WorkForPicturesOfAnyShape) {
  for (const auto& size : {cv::Size(1, 1), cv::Size(3, 100), cv::Size(20000, 1),
                           cv::Size(1, 20000), cv::Size(500, 20)})
    for (const auto& view :
         evaluation_views(flat_picture(size.height, size.width, {1, 2, 3}),
                          spec_of(36, 32), 10)) {
      EXPECT_EQ(view.size(), cv::Size(32, 32));
      EXPECT_EQ(view.at<cv::Vec3b>(31, 31), cv::Vec3b(1, 2, 3));
    }
}

TEST(EvaluationViews, OfSeveralScalesAreThoseOfEachSizeInTurn) {
  const cv::Mat picture = blob_picture(90, 120, 1);
  const auto views =
      evaluation_views(picture, spec_of(30, 20), 5, {1.15, 1, 0.5});
  ASSERT_EQ(views.size(), 15U);
  // 30 * 1.15 = 34.5 is rounded; 15 would be smaller than the crop.
  const int64_t sizes[] = {35, 30, 20};
  for (size_t s = 0; s < 3; ++s) {
    const auto own = evaluation_views(picture, spec_of(sizes[s], 20), 5);
    for (size_t i = 0; i < 5; ++i)
      EXPECT_EQ(cv::norm(views[5 * s + i], own[i], cv::NORM_INF), 0);
  }
}

TEST(EvaluationViews, RefuseAnotherNumberOfCrops) {
  for (const int64_t crops : {0, 2, 9, 11})
    message_of(Fault::usage, [&] {
      evaluation_views(place_picture(30, 30), spec_of(30, 20), crops);
    });
}

TEST(Normalise, IsValueOver255MinusMeanOverStd) {
  cv::Mat view(1, 2, CV_8UC3);
  view.at<cv::Vec3b>(0, 0) = {0, 128, 255};
  view.at<cv::Vec3b>(0, 1) = {51, 102, 153};  // 0.2, 0.4, 0.6
  const auto values = normalise(view, InputSpec());
  ASSERT_EQ(values.sizes(), (std::vector<int64_t>{3, 1, 2}));
  const float* v = values.data_ptr<float>();
  // 1e-6: float32 arithmetic on numbers of about 1.
  EXPECT_NEAR(v[0], -0.485 / 0.229, 1e-6);
  EXPECT_NEAR(v[1], (0.2 - 0.485) / 0.229, 1e-6);
  EXPECT_NEAR(v[2], (128 / 255.0 - 0.456) / 0.224, 1e-6);
  EXPECT_NEAR(v[3], (0.4 - 0.456) / 0.224, 1e-6);
  EXPECT_NEAR(v[4], (1 - 0.406) / 0.225, 1e-6);
  EXPECT_NEAR(v[5], (0.6 - 0.406) / 0.225, 1e-6);
}

TEST(Normalise, PutsBlueFirstForBgrModelsWithEachColoursOwnMean) {
  InputSpec spec;
  spec.channels = "BGR";
  const auto values = normalise(flat_picture(1, 1, {255, 0, 0}), spec);
  const float* v = values.data_ptr<float>();
  EXPECT_NEAR(v[0], -0.406 / 0.225, 1e-6);       // blue
  EXPECT_NEAR(v[2], (1 - 0.485) / 0.229, 1e-6);  // red
}

TEST(Normalise, ReadsWindowsOfAPicture) {
  InputSpec spec;
  spec.mean = {0, 0, 0};
  spec.std = {1 / 255.0, 1 / 255.0, 1 / 255.0};
  const cv::Mat window = place_picture(20, 20)(cv::Rect(5, 7, 3, 2));
  const auto values = normalise(window, spec);
  EXPECT_NEAR(values.data_ptr<float>()[5], 7, 1e-4);          // red (1, 2)
  EXPECT_NEAR(values.data_ptr<float>()[2 * 3 + 5], 8, 1e-4);  // its green
}

}  // namespace
}  // namespace engraft
