#pragma once

#include <string>
#include <vector>

#include "engraft/train/fit.h"

namespace engraft {

/// Writes each snapshot of a fit as pets.snapshot-K.pt beside pets.pt, and one
/// file pets.ensemble.pt that averages them (see combine). `classifier` shares
/// its tensors with the snapshots, and keeps the values that it has. Throws as
/// save_or_rescue.
SavedSnapshots save_snapshots(const Classifier& classifier,
                              const std::string& out, const FitResult& fitted);

}  // namespace engraft
