#pragma once

#include <torch/types.h>

#include <cstdint>

namespace engraft {

/// Groups of pictures that show the same but for encoding, scale or a slight
/// crop: their thumbnails and their features both nearly point in the same
/// direction, and so on from picture to picture (connected components).
/// thumbnails  float32 [N, T], grey values
/// features    float32 [N, D]
/// returns     int64 [N], each picture's group: 0, 1, ... in the order of their
///             first pictures
torch::Tensor group_near_duplicates(const torch::Tensor& thumbnails,
                                    const torch::Tensor& features);

/// How many groups there are among `population` pictures, of which some were
/// drawn at random, without putting any back: those that were seen, and of the
/// others as many as the ones seen once and twice tell (Chao and Lin 2012,
/// Biometrics 68, a lower bound).
/// groups  int64 [drawn]
double estimate_groups(const torch::Tensor& groups, int64_t population);

}  // namespace engraft
