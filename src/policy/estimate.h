#pragma once

#include "engraft/policy/plan.h"

namespace engraft {

/// Seconds that the plan will take by inputs.speed, which must be there.
double estimate_seconds(const PlanInputs& inputs, const TransferPlan& plan);

}  // namespace engraft
