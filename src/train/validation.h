#pragma once

#include <torch/types.h>

namespace engraft {

/// How the validation pictures come out with the weights as they are. All zero
/// and undefined without such pictures.
struct Validation {
  double accuracy = 0, loss = 0;
  torch::Tensor logits;  ///< float32 [N, classes], CPU
  torch::Tensor labels;  ///< int64 [N]
  double seconds = 0;
};

}  // namespace engraft
