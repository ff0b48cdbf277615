#pragma once

#include <cstdint>
#include <string>

#include "engraft/eval/evaluator.h"

namespace engraft::cli {

/// "model 1": a member in tables, index from 0.
std::string model_label(int64_t index);

/// Which models are averaged; "" for one.
std::string models_text(const Report& report);

/// What averaging gained over the best model, with its uncertainty; "" for one.
std::string gain_text(const Report& report);

}  // namespace engraft::cli
