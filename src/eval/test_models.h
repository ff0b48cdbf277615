#pragma once

#include <cstdint>
#include <vector>

#include "engraft/eval/evaluator.h"
#include "eval/tested_model.h"

namespace engraft {

/// Fills in the figures of `report`, which says what is tested: of one model,
/// or of the mean of several models' probabilities, with each of them as a
/// member and what the mean gains over the best. One model is tested after the
/// other, each on pictures prepared as it wants them.
/// Arguments as of evaluate. Throws Error(Fault::model), naming the model,
/// when the output is not a number.
Report test_models(const std::vector<TestedModel>& models, Report report,
                   const std::vector<Sample>& samples,
                   const EvaluatorOptions& options,
                   const std::vector<int64_t>& classes_of_interest,
                   const EvalProgress& progress);

}  // namespace engraft
