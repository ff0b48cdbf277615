#pragma once

#include <cstdint>

#include "engraft/train/search_space.h"
#include "engraft/train/trainer.h"

// What a trial came to that its options do not say: how often its blocks were
// tried, and what it decided by itself.

namespace engraft {

/// The epoch's number, from 1 on, in a run that is its try of the blocks alone.
/// Smaller steps, other statistics and deeper blocks begin anew, but their
/// epochs are counted on.
int64_t epoch_of_try(const EpochResult& epoch, const TransferPlan& plan);

/// Options by which its blocks, or its head by steps, are trained again as they
/// were, whatever a plan for more pictures would say.
/// fixed     that all trials share
/// own_plan  the trial planned for itself: its cut, rate, views and crops
///           are among them
TrialOptions options_as_trained(const TrainResult& trained,
                                const TrainOptions& fixed, bool own_plan);

}  // namespace engraft
