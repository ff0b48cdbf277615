#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "engraft/train/search_space.h"
#include "engraft/train/trainer.h"

// What search needs to know of a trial whose blocks were tried more than once.

namespace engraft {

/// The epoch's number, from 1 on, in a run that is its try of the blocks alone.
/// Smaller steps, other statistics and deeper blocks begin anew, but their
/// epochs are counted on.
inline int64_t epoch_of_try(const EpochResult& epoch,
                            const TransferPlan& plan) {
  return std::max<int64_t>(epoch.epoch - (epoch.epochs - plan.epochs), 1);
}

/// What a later try took otherwise than the plan says, as options of train: lr,
/// backbone-lr, bn-statistics.
inline TrialOptions other_steps(const StepsTaken& steps,
                                const TransferPlan& plan) {
  TrialOptions out = TrialOptions::object();
  if (steps.head_lr != plan.head_lr) out["lr"] = steps.head_lr;
  if (steps.backbone_lr != plan.backbone_lr)
    out["backbone-lr"] = steps.backbone_lr;
  if (steps.bn_statistics != plan.bn_statistics)
    out["bn-statistics"] = std::string(name_of(steps.bn_statistics));
  return out;
}

}  // namespace engraft
