#include "data/colour.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace engraft {
namespace {

using Triple = ColourChange::Triple;

constexpr Triple kGrey{0.299, 0.587, 0.114};  // ITU-R BT.601

double dot(const Triple& a, const Triple& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

}  // namespace

Triple mean_colour(const cv::Mat& image) {
  const cv::Scalar mean = cv::mean(image);
  return {mean[0], mean[1], mean[2]};
}

void ColourChange::multiply(const Matrix& left) {
  const Matrix old = matrix_;
  const Triple old_offset = offset_;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j)
      matrix_[i][j] = dot(left[i], {old[0][j], old[1][j], old[2][j]});
    offset_[i] = dot(left[i], old_offset);
  }
}

void ColourChange::scale_brightness(double factor) {
  multiply({{{factor, 0, 0}, {0, factor, 0}, {0, 0, factor}}});
}

void ColourChange::scale_contrast(double factor, const Triple& mean) {
  Triple now = offset_;
  for (size_t i = 0; i < 3; ++i) now[i] += dot(matrix_[i], mean);
  const double grey = dot(kGrey, now);
  scale_brightness(factor);
  add({(1 - factor) * grey, (1 - factor) * grey, (1 - factor) * grey});
}

void ColourChange::scale_saturation(double factor) {
  Matrix left{};
  for (size_t i = 0; i < 3; ++i)
    for (size_t j = 0; j < 3; ++j)
      left[i][j] = (i == j ? factor : 0.0) + (1 - factor) * kGrey[j];
  multiply(left);
}

void ColourChange::turn_hue(double turn) {
  // RGB to the IQ plane and back (FCC 1953 NTSC).
  constexpr Triple kI{0.5959, -0.2746, -0.3213}, kQ{0.2115, -0.5227, 0.3112};
  constexpr Triple kFromI{0.956, -0.272, -1.106}, kFromQ{0.619, -0.647, 1.703};
  const double cosine = std::cos(2 * std::numbers::pi * turn);
  const double sine = std::sin(2 * std::numbers::pi * turn);
  Matrix left{};
  for (size_t i = 0; i < 3; ++i)
    for (size_t j = 0; j < 3; ++j)
      left[i][j] = (i == j ? 1.0 : 0.0) +
                   kFromI[i] * ((cosine - 1) * kI[j] - sine * kQ[j]) +
                   kFromQ[i] * (sine * kI[j] + (cosine - 1) * kQ[j]);
  multiply(left);
}

void ColourChange::add(const Triple& offset) {
  for (size_t i = 0; i < 3; ++i) offset_[i] += offset[i];
}

void ColourChange::apply(cv::Mat& image) const {
  constexpr int kBits = 16;
  // Factors stay below 2 * 2 * 2 * 3, so that sums fit into 32 bits.
  const auto fixed = [](double value) {
    return static_cast<int32_t>(std::lround(value * (1 << kBits)));
  };
  std::array<std::array<int32_t, 3>, 3> m;
  std::array<int32_t, 3> b;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) m[i][j] = fixed(matrix_[i][j]);
    b[i] = fixed(std::clamp(offset_[i], -4096.0, 4096.0) + 0.5);
  }
  for (int y = 0; y < image.rows; ++y) {
    uint8_t* pixel = image.ptr<uint8_t>(y);
    for (int x = 0; x < image.cols; ++x, pixel += 3) {
      const int32_t red = pixel[0], green = pixel[1], blue = pixel[2];
      for (size_t i = 0; i < 3; ++i) {
        const int32_t value =
            (m[i][0] * red + m[i][1] * green + m[i][2] * blue + b[i]) >> kBits;
        pixel[i] = static_cast<uint8_t>(std::clamp(value, 0, 255));
      }
    }
  }
}

}  // namespace engraft
