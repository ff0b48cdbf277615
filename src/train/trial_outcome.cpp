#include "train/trial_outcome.h"

#include <algorithm>

#include "digits.h"

namespace engraft {
namespace {

/// Models without batch norms have nothing to decide.
bool decided_statistics(const TransferPlan& plan) {
  return std::ranges::count(plan.reasons, "bn-statistics", &Reason::decision) >
         0;
}

/// As planned to the last digit, or a product of it in so many as are read.
double rate(double taken, double planned) {
  return taken == planned ? planned : as_brief(taken);
}

}  // namespace

int64_t epoch_of_try(const EpochResult& epoch, const TransferPlan& plan) {
  return std::max<int64_t>(epoch.epoch - (epoch.epochs - plan.epochs), 1);
}

TrialOptions options_as_trained(const TrainResult& trained,
                                const TrainOptions& fixed, bool own_plan) {
  const TransferPlan& plan = trained.plan;
  const StepsTaken& steps = trained.steps;
  TrialOptions out = TrialOptions::object();
  const bool live = plan.backbone_lr > 0;
  if (live && decided_statistics(plan))
    out["bn-statistics"] = std::string(name_of(steps.bn_statistics));
  // A range test finds its own rates.
  if (trained.rate_curves.empty()) {
    if (steps.head_lr != plan.head_lr) out["lr"] = as_brief(steps.head_lr);
    if (live && (own_plan || steps.backbone_lr != plan.backbone_lr))
      out["backbone-lr"] = rate(steps.backbone_lr, plan.backbone_lr);
  }
  if (!own_plan) return out;
  out["freeze-until"] = std::to_string(plan.freeze_until);
  out["augment"] = std::string(name_of(plan.augment.strength));
  out["flip"] = plan.augment.flip;
  if (!fixed.view.crops) out["crops"] = plan.own_crops;
  return out;
}

}  // namespace engraft
