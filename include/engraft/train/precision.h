#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engraft/json.h"
#include "engraft/train/options.h"

namespace engraft {

/// What the blocks of a stage were trained in, and why.
struct PrecisionChoice {
  int64_t cut = 0;  ///< blocks from here on
  TrainPrecision kind = TrainPrecision::f32;
  /// Milliseconds a picture of the steps that were timed; 0 without a trial.
  double f32 = 0, bf16 = 0;
  std::string refused;  ///< what bfloat16 failed with, "" when it did not
  /// "bf16: 6.1 ms a picture and step, 1.5 times as fast as f32", for people.
  std::string text() const;
};

Json to_json(const PrecisionChoice& choice);

/// Decides between float32 and bfloat16 by a stage's first steps, which are
/// steps like any other: f32, bf16, f32, bf16. The faster one of each counts;
/// bfloat16 is taken when it is clearly faster, so that the next run decides
/// alike.
class PrecisionTrial {
 public:
  /// Is settled on float32.
  PrecisionTrial() = default;
  /// kind  what to take, or automatic to find out
  PrecisionTrial(int64_t cut, TrainPrecision kind);
  /// Settled on float32, as bfloat16 does not work.
  PrecisionTrial(int64_t cut, std::string refused);

  /// Of the next step.
  bool bf16() const;
  bool settled() const { return steps_ < 0; }
  /// The next step is done. Nothing to find out once it is settled.
  void stepped(double seconds, int64_t pictures);
  /// Complete once it is settled.
  const PrecisionChoice& choice() const { return choice_; }

 private:
  PrecisionChoice choice_;
  int64_t steps_ = -1;
};

}  // namespace engraft
