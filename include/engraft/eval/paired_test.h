#pragma once

#include <torch/types.h>

#include <cstdint>

#include "engraft/json.h"

namespace engraft {

/// Two models on the same pictures. Gains are the second's over the first's;
/// a z is a gain over its own standard error, 0 where nothing differs.
struct PairedTest {
  int64_t pictures = 0;
  int64_t won = 0, lost = 0;  ///< pictures that only the second / first gets
  double accuracy_gain = 0, accuracy_z = 0;  ///< McNemar's statistic
  double loss_gain = 0, loss_z = 0;          ///< nats; > 0: a lower loss

  /// The second one is better by more than so many standard errors: in
  /// accuracy while the loss is not worse by as much, or in loss while accuracy
  /// does not fall. Up to 0: it is not less accurate by more, whatever the
  /// loss, in which smoothed labels, say, are dearer than those of a solved
  /// head.
  bool better(double errors = 1) const;
};

/// Losses are compared after each model's own temperature (fit_temperature),
/// because over-confidence is mended by that and is no reason against a model.
/// first, second  logits float32 [N, C]
/// labels         int64 [N]
PairedTest compare_paired(const torch::Tensor& first,
                          const torch::Tensor& second,
                          const torch::Tensor& labels);

Json to_json(const PairedTest& test);

}  // namespace engraft
