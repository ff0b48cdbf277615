#pragma once

#include <opencv2/core.hpp>

namespace engraft {

// Moves of the pixels of an 8-bit picture, which keeps its size. What comes in
// over a border is the picture reflected there, its outermost pixels not
// repeated; between pixels the interpolation is bilinear. The picture given is
// left as it is.

/// Counter-clockwise about the centre.
cv::Mat rotated(const cv::Mat& image, double degrees);

/// Rows slide along x in proportion to their distance from the middle row,
/// columns along y likewise: (x, y) shows what was at
/// (x + across * (y - cy), y + down * (x - cx)).
cv::Mat sheared(const cv::Mat& image, double across, double down);

/// To the right and downwards, by shares of width and height that are rounded
/// to whole pixels: nothing is blurred.
cv::Mat translated(const cv::Mat& image, double right, double down);

}  // namespace engraft
