#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "engraft/data/image_folder.h"
#include "engraft/model/input_spec.h"

namespace engraft {

/// The median of the pictures' shorter sides in pixels; 0 without any that can
/// be read.
double median_shorter_side(const std::vector<Sample>& samples);

/// How many of the pictures have no colour: their channels differ by less than
/// two levels of 255 everywhere.
/// images  float32 [N, 3, H, W], prepared as `input` says
int64_t count_grey(const torch::Tensor& images, const InputSpec& input);

}  // namespace engraft
