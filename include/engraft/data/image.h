#pragma once

#include <opencv2/core.hpp>
#include <string>

#include "engraft/options.h"

namespace engraft {

/// Decodes a file to uint8 RGB [H, W] (CV_8UC3), EXIF orientation applied.
///
/// Grey is repeated over the channels, palettes are expanded, 16-bit values
/// are scaled to 8 (v / 257, rounded), alpha is composed over white.
///
/// min_side > 0 allows a JPEG to be decoded at 1/2, 1/4 or 1/8 as long as its
/// shorter side stays >= min_side: fast, for training only. 0 is exact.
///
/// The format is told from the bytes, not from the name. Throws
/// Error(Fault::data) naming the file: missing, empty, truncated or damaged
/// (also where a decoder would fill the rest with grey and only warn), above
/// 250 million pixels, not a picture. Nothing is written to stderr. Any thread.
cv::Mat decode_image(const std::string& path, int64_t min_side = 0);

/// Antialiased resize as Pillow and torchvision do it.
/// image [H, W] CV_8UC3 -> [height, width] CV_8UC3. Shares memory with `image`
/// when the size is the same.
cv::Mat resize_image(const cv::Mat& image, int64_t height, int64_t width,
                     Interpolation filter);

/// Resize so that the shorter side is `side`, the longer one in proportion
/// (rounded down, as torchvision).
cv::Mat resize_shorter_side(const cv::Mat& image, int64_t side,
                            Interpolation filter);

}  // namespace engraft
