#pragma once

#include <torch/types.h>

#include <opencv2/core.hpp>
#include <vector>

#include "engraft/model/input_spec.h"

namespace engraft {

/// The views a model is tested on, uint8 RGB, each spec.crop x spec.crop,
/// after the shorter side was resized to spec.resize.
/// crops = 1: centre. 5: top left, top right, bottom left, bottom right,
/// centre. 10: these five, then their mirror images (Krizhevsky et al. 2012).
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
