#pragma once

#include "engraft/train/trainer.h"

namespace engraft {

/// L-BFGS does all of the training: no block is trained.
bool only_solves(const TransferPlan& plan, int64_t blocks);

/// What --bn-statistics says of live batch norms, and what is asked for that
/// needs their statistics to move.
std::optional<GivenStatistics> given_statistics(const TrainOptions& options);

/// Notes what becomes of --precision bf16 among those of the classifier.
void note_precision(const TrainOptions& options, int64_t blocks,
                    PlanResult& planned);
/// The same for options that are given and that this plan leaves nothing to do.
/// steps  the head is trained by steps whatever the plan says
void note_unused(const TrainOptions& options, bool steps, int64_t blocks,
                 PlanResult& planned);

/// Rectangles of features that have no places would be none: throws
/// Fault::usage for --cutmix where block `cut`, from which on is trained, gets
/// such features.
void refuse_cutmix(const TrainOptions& options, const BlockChain& chain,
                   int64_t cut);
/// Throws Fault::usage for --bn-reestimate where nothing that is trained has
/// statistics of its own.
void refuse_reestimate(const TrainOptions& options, const BlockChain& chain,
                       int64_t cut);

}  // namespace engraft
