#pragma once

#include <string>

#include "engraft/train/trainer.h"

namespace engraft::cli {

/// Members of a soup and the soup, side by side; "" without one.
std::string soup_text(const TrainResult& result);
/// What --bn-reestimate came to, as a part of a sentence; "" without it.
std::string batch_norms_text(const TrainResult& result);
/// Members of a snapshot ensemble and the ensemble, side by side; "" without.
std::string snapshots_text(const SavedSnapshots& saved);

}  // namespace engraft::cli
