#pragma once

#include <torch/optim/optimizer.h>

#include <memory>
#include <vector>

#include "engraft/train/options.h"

namespace engraft {

/// Tensors that share a peak rate.
struct ParameterGroup {
  std::vector<torch::Tensor> tensors;
  double lr = 0;
  double weight_decay = 0;
};

/// LibTorch's optimizer of options.optimizer with every option set on every
/// group: options of a C++ group do not inherit the optimizer's defaults.
///   sgd   v = momentum v + g + decay w;  w -= lr v
///   adam  Kingma & Ba 2015 with beta1 = momentum, beta2 = 0.999, eps = 1e-8,
///         by LibTorch's fused step
std::unique_ptr<torch::optim::Optimizer> make_optimizer(
    const std::vector<ParameterGroup>& groups, const OptimOptions& options);

/// Sets each group's rate to its peak times `factor`.
void scale_rates(torch::optim::Optimizer& optimizer,
                 const std::vector<ParameterGroup>& groups, double factor);

}  // namespace engraft
