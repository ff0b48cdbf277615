#pragma once

#include <torch/optim/optimizer.h>

#include <memory>
#include <string_view>
#include <vector>

#include "engraft/train/options.h"

namespace engraft {

/// Tensors that share a peak rate.
struct ParameterGroup {
  std::vector<torch::Tensor> tensors;
  double lr = 0;
  double weight_decay = 0;
  bool decays = false;  ///< weights, which penalties are about
};

/// One update rule: a row of the table that the options' checks, the tests and
/// the factory share. g is the gradient with the L2 penalty's, w the weight,
/// lr the rate.
struct OptimizerFamily {
  OptimizerKind kind;
  std::string_view rule;
  /// The flags that it uses besides the rates and --weight-decay.
  std::vector<std::string_view> parameters;
};

/// All that go by steps.
const std::vector<OptimizerFamily>& optimizer_families();

/// LibTorch's optimizer of options.optimizer (adam for auto) with every option
/// set on every group: options of a C++ group do not inherit the optimizer's
/// defaults. Adam and AdamW by LibTorch's fused step.
///   sgd       v = momentum v + g;  w -= lr v (Sutskever et al. 2013, eq. 1)
///   nesterov  the same, w -= lr (g + momentum v)
///   adagrad   Duchi et al. 2011
///   rmsprop   Hinton's lecture 6e; with momentum as in Graves 2013, eq. 40
///   adam      Kingma & Ba 2015, algorithm 1
///   adamw     Loshchilov & Hutter 2019, algorithm 2
std::unique_ptr<torch::optim::Optimizer> make_optimizer(
    const std::vector<ParameterGroup>& groups, const OptimOptions& options);

/// Sets each group's rate to its peak times `factor`.
void scale_rates(torch::optim::Optimizer& optimizer,
                 const std::vector<ParameterGroup>& groups, double factor);

}  // namespace engraft
