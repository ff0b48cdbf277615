#include "engraft/train/optimizer.h"

#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/optim/adagrad.h>
#include <torch/optim/adam.h>
#include <torch/optim/rmsprop.h>
#include <torch/optim/sgd.h>

#include "train/unused_flag.h"

namespace engraft {
namespace {

using torch::optim::AdamOptions;
using torch::optim::OptimizerOptions;
using torch::optim::OptimizerParamGroup;
using Groups = std::vector<OptimizerParamGroup>;

/// Adam with LibTorch's fused step: one pass over a group's tensors, where
/// torch::optim::Adam makes nine over each.
class FusedAdam : public torch::optim::Optimizer {
 public:
  /// decoupled: weights decay by themselves (AdamW), not in the gradient
  FusedAdam(const Groups& groups, bool decoupled)
      : Optimizer(groups, std::make_unique<AdamOptions>()),
        fused_(decoupled ? &fused<at::_ops::_fused_adamw_>
                         : &fused<at::_ops::_fused_adam_>),
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

  struct Step {
    std::vector<torch::Tensor> tensors, gradients, first, second, steps;
  };

  template <typename Op>
  static void fused(const Step& s, const AdamOptions& options) {
    const auto [beta1, beta2] = options.betas();
    Op::call(s.tensors, s.gradients, s.first, s.second, /*max_exp_avg_sqs=*/{},
             s.steps, options.lr(), beta1, beta2, options.weight_decay(),
             options.eps(), /*amsgrad=*/false, /*maximize=*/false, {}, {});
  }

  void step_group(OptimizerParamGroup& group, Moments& moments) const {
    const auto& options = static_cast<const AdamOptions&>(group.options());
    if (moments.first.empty())
      for (const torch::Tensor& p : group.params()) {
        moments.first.push_back(at::zeros_like(p));
        moments.second.push_back(at::zeros_like(p));
        moments.steps.push_back(
            at::zeros({}, p.options().dtype(torch::kFloat)));
      }
    // A tensor without a gradient rests, as with torch::optim::Adam.
    Step s;
    for (size_t i = 0; i < group.params().size(); ++i) {
      const torch::Tensor& p = group.params()[i];
      if (!p.grad().defined()) continue;
      s.tensors.push_back(p);
      s.gradients.push_back(laid_out_like(p.grad(), p));
      s.first.push_back(moments.first[i]);
      s.second.push_back(moments.second[i]);
      s.steps.push_back(moments.steps[i].add_(1));
    }
    if (!s.tensors.empty()) fused_(s, options);
  }

  /// The fused step walks over memory, not over indices.
  static torch::Tensor laid_out_like(const torch::Tensor& gradient,
                                     const torch::Tensor& tensor) {
    if (gradient.strides() == tensor.strides()) return gradient;
    return at::empty_like(tensor).copy_(gradient);
  }

  void (*fused_)(const Step&, const AdamOptions&);
  std::vector<Moments> moments_;
};

template <bool nesterov>
std::unique_ptr<OptimizerOptions> sgd_options(const ParameterGroup& group,
                                              const OptimOptions& o) {
  return std::make_unique<torch::optim::SGDOptions>(
      torch::optim::SGDOptions(group.lr)
          .momentum(o.momentum.value_or(0.9))
          .nesterov(nesterov)
          .weight_decay(group.weight_decay));
}

std::unique_ptr<OptimizerOptions> adagrad_options(const ParameterGroup& group,
                                                  const OptimOptions& o) {
  return std::make_unique<torch::optim::AdagradOptions>(
      torch::optim::AdagradOptions(group.lr)
          .lr_decay(0)
          .initial_accumulator_value(0)
          .eps(o.epsilon.value_or(1e-10))
          .weight_decay(group.weight_decay));
}

std::unique_ptr<OptimizerOptions> rmsprop_options(const ParameterGroup& group,
                                                  const OptimOptions& o) {
  return std::make_unique<torch::optim::RMSpropOptions>(
      torch::optim::RMSpropOptions(group.lr)
          .alpha(o.rms_decay.value_or(0.99))
          .momentum(o.momentum.value_or(0))
          .eps(o.epsilon.value_or(1e-8))
          .centered(false)
          .weight_decay(group.weight_decay));
}

std::unique_ptr<OptimizerOptions> adam_options(const ParameterGroup& group,
                                               const OptimOptions& o) {
  return std::make_unique<AdamOptions>(
      AdamOptions(group.lr)
          .betas({o.momentum.value_or(0.9), o.beta2.value_or(0.999)})
          .eps(o.epsilon.value_or(1e-8))
          .weight_decay(group.weight_decay));
}

/// A family with how it is made.
struct Row : OptimizerFamily {
  std::unique_ptr<OptimizerOptions> (*options)(const ParameterGroup&,
                                               const OptimOptions&);
  std::unique_ptr<torch::optim::Optimizer> (*make)(const Groups&);
};

template <typename Optimizer, typename Options>
std::unique_ptr<torch::optim::Optimizer> make(const Groups& groups) {
  return std::make_unique<Optimizer>(groups, Options(0.0));
}

template <bool decoupled>
std::unique_ptr<torch::optim::Optimizer> make_adam(const Groups& groups) {
  return std::make_unique<FusedAdam>(groups, decoupled);
}

const std::vector<Row>& rows() {
  using torch::optim::Adagrad;
  using torch::optim::AdagradOptions;
  using torch::optim::RMSprop;
  using torch::optim::RMSpropOptions;
  using torch::optim::SGD;
  using torch::optim::SGDOptions;
  static const std::vector<Row> table{
      {{OptimizerKind::sgd, "v = momentum v + g; w -= lr v", {"momentum"}},
       sgd_options<false>,
       make<SGD, SGDOptions>},
      {{OptimizerKind::nesterov,
        "v = momentum v + g; w -= lr (g + momentum v)",
        {"momentum"}},
       sgd_options<true>,
       make<SGD, SGDOptions>},
      {{OptimizerKind::adagrad,
        "s += g^2; w -= lr g / (sqrt(s) + epsilon)",
        {"epsilon"}},
       adagrad_options,
       make<Adagrad, AdagradOptions>},
      {{OptimizerKind::rmsprop,
        "s = d s + (1 - d) g^2; v = momentum v + g / (sqrt(s) + epsilon); "
        "w -= lr v",
        {"rms-decay", "momentum", "epsilon"}},
       rmsprop_options,
       make<RMSprop, RMSpropOptions>},
      {{OptimizerKind::adam,
        "means of g and g^2, freed of their bias; w -= lr m / (sqrt(s) + "
        "epsilon)",
        {"momentum", "beta2", "epsilon"}},
       adam_options,
       make_adam<false>},
      {{OptimizerKind::adamw,
        "adam, and w -= lr decay w beside it",
        {"momentum", "beta2", "epsilon"}},
       adam_options,
       make_adam<true>},
  };
  return table;
}

const Row& row_of(OptimizerKind kind) {
  for (const Row& row : rows())
    if (row.kind == kind) return row;
  return row_of(OptimizerKind::adam);  // auto
}

}  // namespace

const std::vector<OptimizerFamily>& optimizer_families() {
  static const std::vector<OptimizerFamily> families(rows().begin(),
                                                     rows().end());
  return families;
}

void OptimOptions::validate() const {
  static const OptimizerFamily solver{
      OptimizerKind::lbfgs, "a line search along a quasi-Newton direction", {}};
  const OptimizerFamily& row =
      optimizer == OptimizerKind::lbfgs ? solver : row_of(optimizer);
  const std::string unused = unused_flag(*this, row.parameters, rows());
  if (!unused.empty())
    fail(Fault::usage, unused, " is not used by --optimizer ",
         name_of(row.kind), ": its update is ", row.rule);
  if (optimizer == OptimizerKind::nesterov && momentum.value_or(0.9) == 0)
    fail(Fault::usage, "--optimizer nesterov needs --momentum above 0");
  const bool steps = optimizer != OptimizerKind::automatic &&
                     optimizer != OptimizerKind::lbfgs;
  if (head_l2 && steps)
    fail(Fault::usage, "--head-l2 belongs to --optimizer lbfgs, not to ",
         name_of(optimizer), ", whose penalty is --weight-decay");
}

std::unique_ptr<torch::optim::Optimizer> make_optimizer(
    const std::vector<ParameterGroup>& groups, const OptimOptions& options) {
  const Row& row = row_of(options.optimizer);
  Groups made;
  for (const ParameterGroup& group : groups)
    made.emplace_back(group.tensors, row.options(group, options));
  return row.make(made);
}

void scale_rates(torch::optim::Optimizer& optimizer,
                 const std::vector<ParameterGroup>& groups, double factor) {
  for (size_t i = 0; i < groups.size(); ++i)
    optimizer.param_groups()[i].options().set_lr(groups[i].lr * factor);
}

}  // namespace engraft
