#pragma once

#include <string>

#include "engraft/eval/evaluator.h"

namespace engraft::cli {

/// "30 masks": a sampled test in tables.
std::string masks_label(const SampledTest& test);

/// Which masks were sampled, and how their disagreement tells wrong pictures
/// from right ones; "" without any.
std::string sampled_text(const Report& report);

}  // namespace engraft::cli
