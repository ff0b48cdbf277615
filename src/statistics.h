#pragma once

#include <torch/types.h>

#include <cstdint>

namespace engraft {

/// McNemar's statistic of paired successes (McNemar 1947): more and fewer are
/// the pairs in which only the one, or only the other, succeeds. 0 without any.
double mcnemar_z(int64_t more, int64_t fewer);
/// The same of bool [N]: how much more often `second` succeeds than `first`.
double mcnemar_z(const torch::Tensor& first, const torch::Tensor& second);

/// The mean of float64 [N] over its own standard error; 0 where nothing varies.
double mean_over_error(const torch::Tensor& values);

}  // namespace engraft
