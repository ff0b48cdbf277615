#include <ATen/core/Tensor.h>
#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <array>

#include "engraft/data/image.h"

namespace engraft {
namespace {

/// The picture's own memory as uint8 [1, 3, H, W] in channels-last order, for
/// which LibTorch has a vectorised integer resize.
at::Tensor as_tensor(const cv::Mat& image) {
  const int64_t row = static_cast<int64_t>(image.step[0]);
  return at::from_blob(image.data, {1, 3, image.rows, image.cols},
                       {row * image.rows, 1, row, 3}, at::kByte);
}

/// The pixel under the centre of each new one, as Pillow.
void nearest_into(const cv::Mat& image, cv::Mat& out) {
  for (int64_t y = 0; y < out.rows; ++y) {
    const auto from_y = (2 * y + 1) * image.rows / (2 * out.rows);
    const auto* from = image.ptr<cv::Vec3b>(static_cast<int>(from_y));
    auto* to = out.ptr<cv::Vec3b>(static_cast<int>(y));
    for (int64_t x = 0; x < out.cols; ++x)
      to[x] = from[(2 * x + 1) * image.cols / (2 * out.cols)];
  }
}

}  // namespace

cv::Mat resize_image(const cv::Mat& image, int64_t height, int64_t width,
                     Interpolation filter) {
  TORCH_CHECK(image.type() == CV_8UC3, "resize_image takes CV_8UC3");
  if (image.rows == height && image.cols == width) return image;
  cv::Mat out(static_cast<int>(height), static_cast<int>(width), CV_8UC3);
  if (filter == Interpolation::nearest) {
    nearest_into(image, out);
    return out;
  }
  // LibTorch would make a window contiguous itself, on all cores: waking them
  // costs more than the resize.
  const cv::Mat whole = image.isContinuous() ? image : image.clone();
  const at::Tensor from = as_tensor(whole);
  at::Tensor to = as_tensor(out);
  const std::array<int64_t, 2> size{height, width};
  if (filter == Interpolation::bilinear)
    at::_upsample_bilinear2d_aa_out(to, from, size, /*align_corners=*/false);
  else
    at::_upsample_bicubic2d_aa_out(to, from, size, /*align_corners=*/false);
  TORCH_CHECK(to.data_ptr() == out.data, "the resize went elsewhere");
  return out;
}

cv::Mat resize_shorter_side(const cv::Mat& image, int64_t side,
                            Interpolation filter) {
  const int64_t shorter = std::min(image.rows, image.cols);
  const int64_t longer = std::max(image.rows, image.cols) * side / shorter;
  return image.rows <= image.cols ? resize_image(image, side, longer, filter)
                                  : resize_image(image, longer, side, filter);
}

}  // namespace engraft
