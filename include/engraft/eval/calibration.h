#pragma once

#include <torch/types.h>

namespace engraft {

/// Temperature T that minimises the mean negative log likelihood of
/// softmax(logits / T) (Guo et al. 2017, sec. 4.2), in [0.05, 20]; 1 for no
/// pictures. logits [N, C], labels int64 [N].
double fit_temperature(const torch::Tensor& logits,
                       const torch::Tensor& labels);

}  // namespace engraft
