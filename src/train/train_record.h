#pragma once

#include "engraft/train/trainer.h"

namespace engraft {

/// engraft.json of the saved model. Free of times and of its own path, so that
/// a run repeated gives the same file.
Json make_record(const TrainResult& result, const TrainOptions& options,
                 const HeadInfo& head, double temperature);

}  // namespace engraft
