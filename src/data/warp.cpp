#include "data/warp.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <opencv2/imgproc.hpp>

namespace engraft {
namespace {

/// from: [2, 3], takes a pixel's place to where it shows the picture.
cv::Mat warped(const cv::Mat& image, const cv::Matx23d& from) {
  cv::Mat out;
  cv::warpAffine(image, out, from, image.size(),
                 cv::INTER_LINEAR | cv::WARP_INVERSE_MAP,
                 cv::BORDER_REFLECT_101);
  return out;
}

}  // namespace

cv::Mat rotated(const cv::Mat& image, double degrees) {
  // OpenCV warps no longer sides.
  constexpr int kLongest = std::numeric_limits<int16_t>::max() - 1;
  if (const int longest = std::max(image.cols, image.rows);
      longest > kLongest) {
    const auto shrunk = [&](int side) {
      return std::max(1, static_cast<int>(int64_t{side} * kLongest / longest));
    };
    cv::Mat smaller;
    cv::resize(image, smaller, {shrunk(image.cols), shrunk(image.rows)}, 0, 0,
               cv::INTER_AREA);
    return rotated(smaller, degrees);
  }
  const cv::Point2f centre(static_cast<float>(image.cols - 1) / 2,
                           static_cast<float>(image.rows - 1) / 2);
  cv::Mat out;
  cv::warpAffine(image, out, cv::getRotationMatrix2D(centre, degrees, 1),
                 image.size(), cv::INTER_LINEAR, cv::BORDER_REFLECT_101);
  return out;
}

cv::Mat sheared(const cv::Mat& image, double across, double down) {
  const double cx = (image.cols - 1) / 2.0, cy = (image.rows - 1) / 2.0;
  return warped(image, {1, across, -across * cy, down, 1, -down * cx});
}

cv::Mat translated(const cv::Mat& image, double right, double down) {
  return warped(image, {1, 0, -std::round(right * image.cols), 0, 1,
                        -std::round(down * image.rows)});
}

}  // namespace engraft
