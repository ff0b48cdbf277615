#pragma once

#include <string>

#include "engraft/train/trainer.h"

namespace engraft::cli {

/// What `engraft train` prints behind its epochs.
std::string training_text(const TrainResult& result, bool verbose);

/// What a stage that had to be better showed.
std::string proof_text(const StageProof& proof);

}  // namespace engraft::cli
