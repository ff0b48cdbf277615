#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>

namespace engraft {

/// A smooth convex function at a point: its value, and its gradient in `out`.
using ConvexFunction =
    std::function<double(const torch::Tensor& x, torch::Tensor& out)>;

struct LbfgsOptions {
  int64_t iterations = 200;
  int64_t memory = 10;  ///< pairs of steps and gradient changes kept
  /// Ends when the largest entry of the gradient is below this ...
  double gradient = 1e-6;
  /// ... or when two steps running gain less than this share of the value.
  double gain = 1e-9;
};

/// Minimises from `x` (float64 [n], overwritten by the minimum) by L-BFGS (Liu
/// & Nocedal 1989) with halved steps until Armijo's rule holds (c = 1e-4): on
/// a convex function the curvature condition then holds by itself.
/// `stop` is asked before each iteration. Returns the iterations done.
int64_t minimise(const ConvexFunction& f, torch::Tensor& x,
                 const LbfgsOptions& options,
                 const std::function<bool()>& stop = {});

}  // namespace engraft
