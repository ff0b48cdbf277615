#pragma once

#include <numeric>

#include "engraft/policy/plan.h"

namespace engraft {

/// How many training pictures there are, of all classes.
inline int64_t training_pictures(const PlanInputs& inputs) {
  const auto& counts = inputs.images_per_class;
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

}  // namespace engraft
