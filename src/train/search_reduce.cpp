#include "train/search_reduce.h"

#include <algorithm>
#include <cmath>

#include "engraft/data/crops.h"
#include "policy/planning.h"
#include "train/solved_head.h"
#include "train/step_options.h"

namespace engraft {
namespace {

/// Back to what they are when nobody gives them.
void clear_steps(TrainOptions& options) {
  const Json initial = to_json(TrainOptions());
  TrialOptions cleared = Json::object();
  for (const std::string& name : step_options())
    cleared[name] = initial.at(name);
  set_options(options, cleared);
}

}  // namespace

TrialMeaning::TrialMeaning(const TrainOptions& fixed, const PlanResult& planned,
                           const SearchSpace& space)
    : fixed_(fixed),
      chain_(planned.classifier),
      plan_(planned.plan),
      linear_(has_linear_head(chain_)),
      other_models_(searches_models(space)) {}

bool searches_models(const SearchSpace& space) {
  return std::ranges::count(space, "model", &SearchDimension::name) > 0;
}

TrainOptions TrialMeaning::options(const TrialOptions& trial) const {
  TrainOptions out = fixed_;
  set_options(out, trial);
  std::string& freeze_until = out.base.plan.freeze_until;
  if (out.optim.optimizer == OptimizerKind::lbfgs) {
    clear_steps(out);
    if (freeze_until == "auto") freeze_until = "all";
  }
  if (other_models_) return out;
  // As the plan says, without measuring and proving it in every trial.
  if (freeze_until == "auto")
    freeze_until = plan_.freeze_until == chain_.num_blocks()
                       ? "all"
                       : std::to_string(plan_.freeze_until);
  if (!solved(out) && !only_head(out) &&
      plan_.freeze_until < chain_.num_blocks()) {
    auto& plan = out.base.plan;
    plan.epochs = epochs(out);
    if (!out.optim.find_lr)
      plan.backbone_lr = plan.backbone_lr.value_or(plan_.backbone_lr);
  }
  auto& augment = out.base.augment;
  augment.augment = augment.augment.value_or(plan_.augment.strength);
  if (!trial.contains("flip")) augment.flip = plan_.augment.flip;
  // Mirror images are views for what was trained on them.
  const int64_t most = augment.flip ? kTenCrops : kFiveCrops;
  out.view.crops = out.view.crops.value_or(std::min(plan_.test_crops, most));
  return out;
}

bool TrialMeaning::only_head(const TrainOptions& options) const {
  if (other_models_) return false;
  const std::string& name = options.base.plan.freeze_until;
  return (name == "auto" ? plan_.freeze_until : chain_.find_block(name)) ==
         chain_.num_blocks();
}

bool TrialMeaning::solved(const TrainOptions& options) const {
  const OptimizerKind rule = options.optim.optimizer;
  return rule == OptimizerKind::lbfgs ||
         (rule == OptimizerKind::automatic && linear_ && only_head(options) &&
          !options.by_steps());
}

int64_t TrialMeaning::epochs(const TrainOptions& options) const {
  const PlanOptions& plan = options.base.plan;
  const int64_t least = only_head(options) ? 1 : least_epochs(plan);
  return plan.epochs.value_or(std::max(plan_.epochs, least));
}

TrialOptions TrialMeaning::reduce(TrialOptions trial) const {
  const TrainOptions all = options(trial);
  if (all.optim.optimizer == OptimizerKind::lbfgs) trial.erase("freeze-until");
  if (solved(all)) {
    for (const std::string& name : step_options()) trial.erase(name);
  } else if (only_head(all)) {
    for (const char* name : {"backbone-lr", "block-decay", "head-epochs"})
      trial.erase(name);
  }
  return trial;
}

void TrialMeaning::shorten(TrainOptions& options, double share) const {
  if (share >= 1 || solved(options)) return;
  const int64_t all = epochs(options);
  const auto few =
      std::max<int64_t>(std::min<int64_t>(all, 2),
                        std::llround(share * static_cast<double>(all)));
  auto& plan = options.base.plan;
  plan.epochs = few;
  if (plan.head_epochs.value_or(0) > 0)
    plan.head_epochs =
        std::clamp<int64_t>(*plan.head_epochs * few / all, 1, few);
}

}  // namespace engraft
