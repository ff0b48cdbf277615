#pragma once

#include <string>
#include <vector>

#include "engraft/train/trainer.h"

namespace engraft {

/// One model for this data, as its plan sees it.
struct RankedModel {
  PlanResult plan;
  /// From as many pictures as all models are compared by; where plan.plan has
  /// seen more of them, less than that.
  Evidence compared;
  int64_t parameters = 0;     ///< of the backbone
  double milliseconds = 0;    ///< a picture through it, on this machine
  bool within_noise = false;  ///< of the best one's accuracy
};

/// Plans with each model and sorts them: the highest cross-validated accuracy
/// of a linear probe on the last features first, the lower loss among equals.
/// All probes learn from the same pictures, as many as the heaviest model's
/// plan looks at.
/// Within noise means that the difference is below the standard error of a
/// difference of two such accuracies. Throws as make_plan does; and
/// Error(Fault::data) when there are too few pictures to probe.
std::vector<RankedModel> rank_models(const PlanCommandOptions& options,
                                     const std::vector<std::string>& models,
                                     const TrainCallbacks& callbacks = {});

/// model, accuracy, loss, ... of each, the best first, with its plan.
Json to_json(const std::vector<RankedModel>& ranked);

}  // namespace engraft
