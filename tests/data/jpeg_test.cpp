#include "data/jpeg.h"

#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "engraft/error.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

using namespace test;

std::vector<uint8_t> jpeg_of(const cv::Mat& bgr,
                             const std::vector<int>& options = {}) {
  std::vector<uint8_t> bytes;
  cv::imencode(".jpg", bgr, bytes, options);
  return bytes;
}

cv::Mat by_opencv(const std::vector<uint8_t>& bytes, int factor) {
  const int flags = factor == 8   ? cv::IMREAD_REDUCED_COLOR_8
                    : factor == 4 ? cv::IMREAD_REDUCED_COLOR_4
                    : factor == 2 ? cv::IMREAD_REDUCED_COLOR_2
                                  : cv::IMREAD_COLOR;
  cv::Mat rgb;
  cv::cvtColor(cv::imdecode(bytes, flags), rgb, cv::COLOR_BGR2RGB);
  return rgb;
}

TEST(DecodeJpeg, GivesThePixelsOfOpenCv) {
  const cv::Mat colour = blob_picture(61, 93, 5);
  cv::Mat grey;
  cv::cvtColor(colour, grey, cv::COLOR_BGR2GRAY);
  for (const auto& bytes :
       {jpeg_of(colour), jpeg_of(grey), jpeg_of(colour(cv::Rect(0, 0, 1, 1))),
        jpeg_of(colour, {cv::IMWRITE_JPEG_PROGRESSIVE, 1}),
        jpeg_of(colour, {cv::IMWRITE_JPEG_RST_INTERVAL, 2})})
    for (const int factor : {1, 2, 4, 8}) {
      const auto seen = decode_jpeg(bytes, factor);
      ASSERT_TRUE(seen);
      const cv::Mat expected = by_opencv(bytes, factor);
      ASSERT_EQ(seen->size(), expected.size()) << factor;
      EXPECT_EQ(cv::norm(*seen, expected, cv::NORM_INF), 0) << factor;
    }
}

TEST(DecodeJpeg, LeavesWhatItDoesNotReadToOthers) {
  EXPECT_FALSE(decode_jpeg(std::vector<uint8_t>{0xFF, 0xD8, 0xFF, 0xD9}, 1));
}

TEST(DecodeJpeg, RefusesWhatWouldEndInGrey) {
  auto bytes = jpeg_of(blob_picture(64, 96, 5));
  bytes.resize(bytes.size() / 2);
  bytes.insert(bytes.end(), {0xFF, 0xD9});
  EXPECT_THROW(decode_jpeg(bytes, 1), Error);
}

TEST(DecodeJpeg, IsAsNewAfterADamagedPicture) {
  const auto good = jpeg_of(blob_picture(64, 96, 5));
  const auto expected = decode_jpeg(good, 1);
  auto bad = good;
  bad.resize(bad.size() / 2);
  bad.insert(bad.end(), {0xFF, 0xD9});
  EXPECT_THROW(decode_jpeg(bad, 1), Error);
  const auto again = decode_jpeg(good, 1);
  ASSERT_TRUE(again);
  EXPECT_EQ(cv::norm(*again, *expected, cv::NORM_INF), 0);
}

}  // namespace
}  // namespace engraft
