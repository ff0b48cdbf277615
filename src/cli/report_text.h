#pragma once

#include <string>

#include "engraft/eval/evaluator.h"

namespace engraft::cli {

/// The figures with one and with several crops, what each costs, those of each
/// kind of view where there are several scales, and the confusion matrix (its
/// largest entries when there are many classes).
std::string report_text(const Report& report);

}  // namespace engraft::cli
