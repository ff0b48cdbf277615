#include "engraft/model/sampled_prediction.h"

#include <torch/types.h>

#include <algorithm>

namespace engraft {
namespace {

/// In nats; 0 log 0 is 0.
torch::Tensor entropy(const torch::Tensor& probabilities) {
  return -torch::xlogy(probabilities, probabilities).sum(-1);
}

}  // namespace

SampledPrediction summarise_samples(const at::Tensor& logits) {
  TORCH_CHECK(logits.dim() == 3 && logits.size(0) > 0,
              "logits [samples, N, classes], not ", logits.sizes());
  torch::NoGradGuard no_grad;
  const torch::Tensor p = torch::softmax(logits, -1);
  const torch::Tensor mean = p.mean(0);
  const int64_t others = std::max<int64_t>(logits.size(0) - 1, 1);
  const torch::Tensor whole = entropy(mean);
  // Rounding may leave it a little below 0.
  return {mean, ((p - mean).square().sum(0) / others).sqrt(), whole,
          (whole - entropy(p).mean(0)).clamp_min(0)};
}

}  // namespace engraft
