#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "engraft/json.h"
#include "engraft/train/options.h"

namespace engraft {

/// What the blocks of a stage are trained in, and why.
struct PrecisionChoice {
  int64_t cut = 0;  ///< blocks from here on
  TrainPrecision kind = TrainPrecision::f32;
  /// Milliseconds a picture, forward and backward; 0 where it was not timed.
  double f32 = 0, bf16 = 0;
  std::string refused;  ///< why bfloat16 was out, "" where it was not
  /// "bf16: 6.1 ms a picture, f32 9.2", for people.
  std::string text() const;
};

Json to_json(const PrecisionChoice& choice);

/// A step of training that is thrown away.
struct PrecisionStep {
  double seconds = 0;
  int64_t pictures = 0;
  torch::Tensor logits;    ///< float32 [N, classes]
  torch::Tensor gradient;  ///< float32 [P], of all live parameters
};

/// Decides between float32 and bfloat16. `step` makes the same step again and
/// again, in either. bfloat16 is out when it throws (but for a lack of memory,
/// which is passed on) or gives other logits or another direction of the
/// gradient than rounding explains; else both are timed in turn, the first step
/// of each not counted, and it is taken where its faster step is clearly faster
/// than that of float32, so that the next run decides alike.
PrecisionChoice compare_precisions(
    int64_t cut, const std::function<PrecisionStep(bool bf16)>& step);

}  // namespace engraft
