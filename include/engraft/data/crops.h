#pragma once

#include <torch/types.h>

#include <opencv2/core.hpp>
#include <vector>

#include "engraft/model/input_spec.h"

namespace engraft {

/// Crops of a picture that a model is tested on: the centre; top left, top
/// right, bottom left, bottom right, centre; these five, then their mirror
/// images (Krizhevsky et al. 2012).
inline constexpr int64_t kCentreCrop = 1, kFiveCrops = 5, kTenCrops = 10;

/// Whether it is one of these.
constexpr bool is_crop_count(int64_t crops) {
  return crops == kCentreCrop || crops == kFiveCrops || crops == kTenCrops;
}

/// The views a model is tested on, uint8 RGB, each spec.crop x spec.crop,
/// after the shorter side was resized to spec.resize.
/// A picture smaller than the crop is resized up first, so any shape works.
/// Throws Error(Fault::usage) for another number of crops.
std::vector<cv::Mat> evaluation_views(const cv::Mat& image,
                                      const InputSpec& spec, int64_t crops);

/// The same for each of the scales, one after the other: the shorter side is
/// resized to spec.resize times the scale, rounded, and to spec.crop at least.
std::vector<cv::Mat> evaluation_views(const cv::Mat& image,
                                      const InputSpec& spec, int64_t crops,
                                      const std::vector<double>& scales);

/// One uint8 RGB view -> float32 [3, H, W], normalised as `spec` says, written
/// to `out` (contiguous; H = W = spec.crop).
void normalise_into(const cv::Mat& view, const InputSpec& spec, float* out);

/// The same as a new tensor float32 [3, H, W].
torch::Tensor normalise(const cv::Mat& view, const InputSpec& spec);

}  // namespace engraft
