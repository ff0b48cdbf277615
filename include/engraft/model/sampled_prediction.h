#pragma once

#include <ATen/core/Tensor.h>

namespace engraft {

/// What sampled masks say about pictures: the mean over samples approximates
/// the posterior predictive (Gal & Ghahramani 2016, eq. 6).
struct SampledPrediction {
  at::Tensor mean;  ///< of the softmax, float32 [N, classes]; rows sum to 1
  /// Standard deviation of the softmax over the samples (by samples - 1),
  /// float32 [N, classes]; 0 with one sample.
  at::Tensor std;
};

/// logits  float32 [samples, N, classes], as BlockChain::sample_logits gives
SampledPrediction summarise_samples(const at::Tensor& logits);

}  // namespace engraft
