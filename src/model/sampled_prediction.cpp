#include "engraft/model/sampled_prediction.h"

#include <torch/types.h>

#include <algorithm>

namespace engraft {

SampledPrediction summarise_samples(const at::Tensor& logits) {
  TORCH_CHECK(logits.dim() == 3 && logits.size(0) > 0,
              "logits [samples, N, classes], not ", logits.sizes());
  torch::NoGradGuard no_grad;
  const torch::Tensor p = torch::softmax(logits, -1);
  const torch::Tensor mean = p.mean(0);
  const int64_t others = std::max<int64_t>(logits.size(0) - 1, 1);
  return {mean, ((p - mean).square().sum(0) / others).sqrt()};
}

}  // namespace engraft
