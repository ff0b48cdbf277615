#pragma once

#include <string>
#include <vector>

#include "engraft/train/trainer.h"

namespace engraft::cli {

std::string epoch_header();
/// One line a finished epoch, under epoch_header; '*' marks the best so far.
std::string epoch_line(const EpochResult& epoch);
/// Header and all lines.
std::string epoch_table(const std::vector<EpochResult>& epochs);
/// A paragraph on the gap between training and validation when it is large,
/// else "".
/// \param views  that it was trained on
std::string gap_text(const EpochResult& best, AugmentStrength views);

}  // namespace engraft::cli
