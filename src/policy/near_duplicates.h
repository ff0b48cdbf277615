#pragma once

#include <torch/types.h>

#include <cstdint>

namespace engraft {

/// Groups of pictures that show the same but for encoding, scale or a slight
/// crop: their thumbnails and their features both nearly point in the same
/// direction, and so on from picture to picture (connected components).
/// thumbnails  float32 [N, T], grey values
/// features    float32 [N, D]
/// returns     the number of groups, N when no two pictures are alike
int64_t count_distinct(const torch::Tensor& thumbnails,
                       const torch::Tensor& features);

}  // namespace engraft
