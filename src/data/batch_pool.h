#pragma once

#include <torch/types.h>

#include <vector>

namespace engraft {

/// Float memory for batches, used again once nothing else refers to it: a
/// fresh batch of 20 MB costs milliseconds in page faults. Not for several
/// threads at once.
class BatchPool {
 public:
  /// shape: of the largest batch.
  explicit BatchPool(std::vector<int64_t> shape) : shape_(std::move(shape)) {}

  /// float32 of the shape with `rows` in front, contiguous, not initialised.
  torch::Tensor take(int64_t rows);

 private:
  std::vector<int64_t> shape_;
  std::vector<torch::Tensor> tensors_;
};

}  // namespace engraft
