#pragma once

#include "engraft/train/fit.h"

namespace engraft {

/// What the live blocks compute in, as settings.optim.precision says. Where
/// that is open bfloat16 is tried if the processor has it and so many pictures
/// take long enough; on a GPU, whose steps are not timed, it has to be asked
/// for. The head alone is always float32.
/// pictures  of all epochs of the stage
/// Throws Error(Fault::model): bfloat16 was asked for and does not work.
PrecisionTrial choose_precision(LiveChain& live, const BlockChain& chain,
                                const FitSettings& settings, int64_t pictures);

}  // namespace engraft
