#pragma once

#include <cstdint>
#include <vector>

#include "engraft/eval/evaluator.h"
#include "eval/sampler.h"

namespace engraft {

/// evaluate with the mean probabilities of `sampler`, of the same model, in one
/// pass over the pictures. Keeps four numbers a picture. Throws as Loader does.
SampledTest evaluate_sampled(const TestedModel& model, const Sampler& sampler,
                             const std::vector<Sample>& samples,
                             const EvaluatorOptions& options,
                             const std::vector<int64_t>& classes_of_interest,
                             const EvalProgress& progress = {});

}  // namespace engraft
