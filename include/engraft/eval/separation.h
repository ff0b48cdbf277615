#pragma once

#include <torch/types.h>

#include <optional>
#include <string>

#include "engraft/json.h"

namespace engraft {

/// How a measure of uncertainty tells wrong predictions from right ones.
struct Separation {
  std::string measure;
  /// Means over the pictures that are right and wrong; unset without any.
  std::optional<double> right, wrong;
  /// Probability that a wrong picture has more of it than a right one, equal
  /// ones counted by half: the area under the curve of Mann & Whitney 1947. 0.5
  /// by chance; unset when all are right or all wrong.
  std::optional<double> auroc;
};

/// uncertainty  float64 [N]
/// right        bool [N], which predictions are right
Separation separation(const std::string& measure,
                      const torch::Tensor& uncertainty,
                      const torch::Tensor& right);

/// measure, right, wrong, auroc; null for what is unset.
Json to_json(const Separation& separation);

}  // namespace engraft
