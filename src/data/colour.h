#pragma once

#include <array>
#include <opencv2/core.hpp>

namespace engraft {

/// Of uint8 RGB, in [0, 255].
std::array<double, 3> mean_colour(const cv::Mat& image);

/// A change of colours that is affine in RGB: out = matrix * (r, g, b) +
/// offset, in [0, 255]. Changes made one after the other become one pass over
/// the pixels (without the rounding and clipping between them).
class ColourChange {
 public:
  using Triple = std::array<double, 3>;

  void scale_brightness(double factor);
  /// Away from the mean grey of the picture as it is after the changes so far.
  /// mean: of the unchanged picture's R, G and B.
  void scale_contrast(double factor, const Triple& mean);
  /// Away from each pixel's own grey (ITU-R BT.601 weights).
  void scale_saturation(double factor);
  /// Turns the colour circle in the IQ plane of NTSC's YIQ; turn 1 = 360
  /// degrees. Luma stays.
  void turn_hue(double turn);
  void add(const Triple& offset);

  /// Changes uint8 RGB in place, rounded and clipped once. Integer arithmetic:
  /// the same on every machine.
  void apply(cv::Mat& image) const;

 private:
  using Matrix = std::array<Triple, 3>;
  void multiply(const Matrix& left);

  Matrix matrix_{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  Triple offset_{};
};

}  // namespace engraft
