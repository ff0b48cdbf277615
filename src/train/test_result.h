#pragma once

#include "engraft/train/fit.h"
#include "engraft/train/trainer.h"

namespace engraft {

/// Tests what was trained on what was held out: fills in `val` and `test`;
/// false when the user stopped it before either.
bool test_result(TrainResult& result, const BlockChain& chain,
                 const FitResult& fitted, const TrainOptions& options,
                 const ViewOptions& view, const TrainCallbacks& callbacks);

}  // namespace engraft
