#pragma once

#include <algorithm>
#include <cstdint>

#include "engraft/train/trainer.h"

namespace engraft {

/// The epoch's number, from 1 on, in a run that is its try of the blocks alone.
/// Smaller steps, other statistics and deeper blocks begin anew, but their
/// epochs are counted on.
inline int64_t epoch_of_try(const EpochResult& epoch,
                            const TransferPlan& plan) {
  return std::max<int64_t>(epoch.epoch - (epoch.epochs - plan.epochs), 1);
}

}  // namespace engraft
