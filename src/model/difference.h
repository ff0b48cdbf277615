#pragma once

#include <torch/types.h>

#include <algorithm>
#include <cmath>

namespace engraft {

/// Root mean square of seen - expected, over that of `expected`.
inline double relative_difference(const torch::Tensor& seen,
                                  const torch::Tensor& expected) {
  const auto rms = [](const torch::Tensor& x) {
    return std::sqrt(x.to(at::kDouble).square().mean().item<double>());
  };
  return rms(seen - expected) / std::max(rms(expected), 1e-30);
}

}  // namespace engraft
