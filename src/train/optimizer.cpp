#include "engraft/train/optimizer.h"

#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

namespace engraft {
namespace {

using torch::optim::OptimizerOptions;
using torch::optim::OptimizerParamGroup;

std::unique_ptr<OptimizerOptions> group_options(const ParameterGroup& group,
                                                const OptimOptions& options) {
  if (options.optimizer == OptimizerKind::sgd)
    return std::make_unique<torch::optim::SGDOptions>(
        torch::optim::SGDOptions(group.lr)
            .momentum(options.momentum)
            .weight_decay(group.weight_decay));
  return std::make_unique<torch::optim::AdamOptions>(
      torch::optim::AdamOptions(group.lr)
          .betas({options.momentum, 0.999})
          .eps(1e-8)
          .weight_decay(group.weight_decay));
}

/// Adam with LibTorch's fused step: one pass over a group's tensors, where
/// torch::optim::Adam makes nine over each.
class FusedAdam : public torch::optim::Optimizer {
 public:
  explicit FusedAdam(const std::vector<OptimizerParamGroup>& groups)
      : Optimizer(groups, std::make_unique<torch::optim::AdamOptions>()),
        moments_(groups.size()) {}

  torch::Tensor step(LossClosure closure = nullptr) override {
    torch::NoGradGuard no_grad;
    torch::Tensor loss;
    if (closure) {
      const at::AutoGradMode with_grad(true);
      loss = closure();
    }
    for (size_t i = 0; i < param_groups_.size(); ++i)
      step_group(param_groups_[i], moments_[i]);
    return loss;
  }

 private:
  /// One of each tensor of a group; empty before the first step.
  struct Moments {
    std::vector<torch::Tensor> first, second, steps;
  };

  static void step_group(OptimizerParamGroup& group, Moments& moments) {
    const auto& options =
        static_cast<const torch::optim::AdamOptions&>(group.options());
    if (moments.first.empty())
      for (const torch::Tensor& p : group.params()) {
        moments.first.push_back(at::zeros_like(p));
        moments.second.push_back(at::zeros_like(p));
        moments.steps.push_back(
            at::zeros({}, p.options().dtype(torch::kFloat)));
      }
    // A tensor without a gradient rests, as with torch::optim::Adam.
    std::vector<torch::Tensor> tensors, gradients, first, second, steps;
    for (size_t i = 0; i < group.params().size(); ++i) {
      const torch::Tensor& p = group.params()[i];
      if (!p.grad().defined()) continue;
      tensors.push_back(p);
      gradients.push_back(laid_out_like(p.grad(), p));
      first.push_back(moments.first[i]);
      second.push_back(moments.second[i]);
      steps.push_back(moments.steps[i].add_(1));
    }
    if (tensors.empty()) return;
    const auto [beta1, beta2] = options.betas();
    at::_fused_adam_(tensors, gradients, first, second, /*max_exp_avg_sqs=*/{},
                     steps, options.lr(), beta1, beta2, options.weight_decay(),
                     options.eps(), /*amsgrad=*/false, /*maximize=*/false);
  }

  /// The fused step walks over memory, not over indices.
  static torch::Tensor laid_out_like(const torch::Tensor& gradient,
                                     const torch::Tensor& tensor) {
    if (gradient.strides() == tensor.strides()) return gradient;
    return at::empty_like(tensor).copy_(gradient);
  }

  std::vector<Moments> moments_;
};

}  // namespace

std::unique_ptr<torch::optim::Optimizer> make_optimizer(
    const std::vector<ParameterGroup>& groups, const OptimOptions& options) {
  std::vector<OptimizerParamGroup> made;
  for (const ParameterGroup& group : groups)
    made.emplace_back(group.tensors, group_options(group, options));
  if (options.optimizer == OptimizerKind::sgd)
    return std::make_unique<torch::optim::SGD>(made,
                                               torch::optim::SGDOptions(0));
  return std::make_unique<FusedAdam>(made);
}

void scale_rates(torch::optim::Optimizer& optimizer,
                 const std::vector<ParameterGroup>& groups, double factor) {
  for (size_t i = 0; i < groups.size(); ++i)
    optimizer.param_groups()[i].options().set_lr(groups[i].lr * factor);
}

}  // namespace engraft
