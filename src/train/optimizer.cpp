#include "engraft/train/optimizer.h"

#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

#include <numbers>

#include "engraft/train/schedule.h"

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

/// Falls from 1 to 0 over t in [0, 1].
struct ScheduleRow {
  ScheduleKind kind;
  double (*factor)(double t);
};
constexpr ScheduleRow kSchedules[] = {
    {ScheduleKind::constant, [](double) { return 1.0; }},
    {ScheduleKind::linear, [](double t) { return 1.0 - t; }},
    {ScheduleKind::cosine,
     [](double t) { return 0.5 * (1.0 + std::cos(std::numbers::pi * t)); }},
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
  return std::make_unique<torch::optim::Adam>(made);
}

void scale_rates(torch::optim::Optimizer& optimizer,
                 const std::vector<ParameterGroup>& groups, double factor) {
  for (size_t i = 0; i < groups.size(); ++i)
    optimizer.param_groups()[i].options().set_lr(groups[i].lr * factor);
}

double schedule_factor(ScheduleKind kind, double warmup, int64_t step,
                       int64_t steps) {
  const auto rising = static_cast<int64_t>(warmup * static_cast<double>(steps));
  if (step < rising)
    return static_cast<double>(step + 1) / static_cast<double>(rising);
  const int64_t rest = std::max<int64_t>(steps - rising, 1);
  const double t =
      static_cast<double>(step - rising) / static_cast<double>(rest);
  for (const ScheduleRow& row : kSchedules)
    if (row.kind == kind) return row.factor(std::min(t, 1.0));
  throw std::logic_error("a schedule is missing");
}

}  // namespace engraft
