#pragma once

#include <functional>
#include <optional>

#include "engraft/train/fit.h"
#include "model/autocast.h"
#include "train/batches.h"

namespace engraft {

/// When an open choice of precision is made by a trial.
struct PrecisionRules {
  bool processor = has_bf16();
  /// Multiplications of a stage's forward passes: with fewer it is over in a
  /// second or two.
  double multiplications = 1e11;
  /// Share of a stage's pictures that the trial's steps may pass: what it may
  /// cost where float32 stays.
  double trial_share = 0.1;
};

/// What the live blocks are trained in. Where settings.optim.precision leaves
/// it open a trial decides (compare_precisions) on a part of the batch that
/// `next` gives, if the processor has bfloat16 and the stage is long enough; on
/// a GPU bfloat16 has to be asked for. The head alone is float32. Leaves
/// weights, running statistics and random numbers as they were, and no
/// gradients.
/// begin     block that `next` gives the input of
/// pictures  of all epochs of the stage
/// next      nullopt when the user stopped it: float32 then
PrecisionChoice choose_precision(
    const LiveChain& live, const BlockChain& chain, const FitSettings& settings,
    int64_t begin, int64_t pictures,
    const std::function<std::optional<Batches::Batch>()>& next,
    const PrecisionRules& rules = {});

/// Throws Error(Fault::model): bfloat16 was asked for and does not work in the
/// blocks from plan.lowest_cut() on. Found out before anything is trained.
/// Leaves everything as above.
void check_precision(LiveChain& live, const BlockChain& chain,
                     const FitSettings& settings);

}  // namespace engraft
