#pragma once

#include "engraft/train/options.h"

namespace engraft {

/// Factor on the peak rate after `step` of `steps` optimizer steps. The first
/// `warmup` share rises linearly from 1/(warm-up steps) to 1, then the
/// schedule's row falls from 1 over the rest.
double schedule_factor(ScheduleKind kind, double warmup, int64_t step,
                       int64_t steps);

}  // namespace engraft
