#pragma once

#include <opencv2/core.hpp>

namespace engraft {

// Changes of the levels of uint8 RGB, in place, as Pillow's ImageOps and
// ImageEnhance define them. Integer arithmetic: the same on every machine.

/// Away from the picture smoothed by the kernel (1 1 1, 1 5 1, 1 1 1) / 13:
/// factor * picture + (1 - factor) * smoothed, rounded and clipped once. 0 is
/// the smoothed picture, 1 this one. The outermost pixels stay, as in Pillow's
/// ImageEnhance.Sharpness.
void scale_sharpness(cv::Mat& image, double factor);

/// Keeps the upper `bits` of each level, in [0, 8], and clears the others.
void posterize(cv::Mat& image, int bits);

/// Inverts the levels from `threshold` on; 256 changes nothing.
void solarize(cv::Mat& image, int threshold);

/// Stretches each colour so that its darkest level becomes 0 and its brightest
/// 255: floor(255 * (level - lowest) / (highest - lowest)). A colour of one
/// level stays. Pillow rounds the factor before it multiplies: for 0.4 % of
/// (lowest, highest, level) its result is lower by 1.
void autocontrast(cv::Mat& image);

/// Makes the levels of each colour about equally frequent. With
/// step = (pixels - pixels of the brightest level) / 255 a level becomes
/// (pixels darker than it + step / 2) / step, 255 at most, in whole numbers.
/// Where step is 0 the colour stays.
void equalize(cv::Mat& image);

}  // namespace engraft
