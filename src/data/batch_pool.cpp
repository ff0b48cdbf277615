#include "data/batch_pool.h"

#include <ATen/ops/empty.h>

namespace engraft {

torch::Tensor BatchPool::take(int64_t rows) {
  for (const torch::Tensor& tensor : tensors_)
    if (tensor.storage().use_count() == 1) return tensor.narrow(0, 0, rows);
  tensors_.push_back(at::empty(shape_, at::kFloat));
  return tensors_.back().narrow(0, 0, rows);
}

}  // namespace engraft
