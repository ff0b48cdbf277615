#pragma once

#include <opencv2/core.hpp>
#include <vector>

namespace engraft {

/// cv::imdecode and cv::imencode of OpenCV's imgcodecs, which is loaded when
/// first asked for: with Debian's 140 libraries behind it that takes a tenth of
/// a second, and who predicts JPEGs needs none of them. They throw
/// Error(Fault::io) when it is not there. Any thread.
cv::Mat decode_with_opencv(const cv::Mat& buffer, int flags);
std::vector<uint8_t> encode_png(const cv::Mat& bgr);

}  // namespace engraft
