#include "engraft/data/crops.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <opencv2/core.hpp>

#include "engraft/data/image.h"
#include "engraft/error.h"

namespace engraft {
namespace {

// Longer pictures lose what lies outside of this many times their shorter
// side: resizing 20,000 x 1 pixels by the rule would need gigabytes.
constexpr int kLongest = 32;

cv::Mat limit_length(const cv::Mat& image) {
  const int limit = kLongest * std::min(image.rows, image.cols);
  const int width = std::min(image.cols, limit);
  const int height = std::min(image.rows, limit);
  return image(cv::Rect((image.cols - width) / 2, (image.rows - height) / 2,
                        width, height));
}

/// round(space / 2) with halves to even, as torchvision's center_crop.
int half(int space) {
  const int floor = space / 2;
  return space % 2 ? floor + floor % 2 : floor;
}

}  // namespace

std::vector<cv::Mat> evaluation_views(const cv::Mat& image,
                                      const InputSpec& spec, int64_t crops) {
  if (!is_crop_count(crops))
    fail(Fault::usage, "crops: ", crops, " is not one of 1, 5, 10");
  const int side = static_cast<int>(spec.crop);
  const cv::Mat resized =
      resize_shorter_side(limit_length(image), std::max(spec.resize, spec.crop),
                          spec.interpolation);
  const int right = resized.cols - side, bottom = resized.rows - side;
  const auto view = [&](int x, int y) {
    return resized(cv::Rect(x, y, side, side)).clone();
  };
  const cv::Mat centre = view(half(right), half(bottom));
  if (crops == kCentreCrop) return {centre};
  std::vector<cv::Mat> views = {view(0, 0), view(right, 0), view(0, bottom),
                                view(right, bottom), centre};
  for (size_t i = 0; crops == kTenCrops && i < 5; ++i) {
    cv::Mat mirrored;
    cv::flip(views[i], mirrored, 1);
    views.push_back(mirrored);
  }
  return views;
}

std::vector<cv::Mat> evaluation_views(const cv::Mat& image,
                                      const InputSpec& spec, int64_t crops,
                                      const std::vector<double>& scales) {
  std::vector<cv::Mat> views;
  for (const double scale : scales) {
    InputSpec scaled = spec;
    scaled.resize = std::llround(static_cast<double>(spec.resize) * scale);
    std::ranges::move(evaluation_views(image, scaled, crops),
                      std::back_inserter(views));
  }
  return views;
}

void normalise_into(const cv::Mat& view, const InputSpec& spec, float* out) {
  TORCH_CHECK(view.type() == CV_8UC3, "normalise takes CV_8UC3");
  // 768 values are computed, 150,528 looked up. The order of the float
  // operations is torchvision's, so the bits are its too.
  std::array<std::array<float, 256>, 3> table;
  for (size_t c = 0; c < 3; ++c)
    for (size_t v = 0; v < 256; ++v)
      table[c][v] =
          (static_cast<float>(v) / 255.0F - static_cast<float>(spec.mean[c])) /
          static_cast<float>(spec.std[c]);
  const bool bgr = spec.channels == "BGR";
  const ptrdiff_t plane = static_cast<ptrdiff_t>(view.rows) * view.cols;
  float* red = out + (bgr ? 2 * plane : 0);
  float* green = out + plane;
  float* blue = out + (bgr ? 0 : 2 * plane);
  for (int y = 0; y < view.rows; ++y) {
    const uint8_t* in = view.ptr<uint8_t>(y);
    for (int x = 0; x < view.cols; ++x, in += 3) {
      *red++ = table[0][in[0]];
      *green++ = table[1][in[1]];
      *blue++ = table[2][in[2]];
    }
  }
}

torch::Tensor normalise(const cv::Mat& view, const InputSpec& spec) {
  torch::Tensor out = at::empty({3, view.rows, view.cols}, at::kFloat);
  normalise_into(view, spec, out.mutable_data_ptr<float>());
  return out;
}

}  // namespace engraft
