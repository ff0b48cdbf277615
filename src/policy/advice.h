#pragma once

#include <string>
#include <vector>

#include "engraft/policy/plan.h"

namespace engraft {

/// What the user could do that the plan cannot, in plain words: nothing where
/// no evidence was measured.
std::vector<std::string> advice(const PlanInputs& inputs);

}  // namespace engraft
