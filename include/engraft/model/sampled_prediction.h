#pragma once

#include <ATen/core/Tensor.h>

namespace engraft {

/// What sampled masks say about pictures: the mean over samples approximates
/// the posterior predictive (Gal & Ghahramani 2016, eq. 6). All of the type of
/// what it was made of.
struct SampledPrediction {
  at::Tensor mean;  ///< of the softmax, [N, classes]; rows sum to 1
  /// Standard deviation of the softmax over the samples (by samples - 1),
  /// [N, classes]; 0 with one sample.
  at::Tensor std;
  /// Entropy of the mean in nats, [N]: uncertainty of any kind.
  at::Tensor entropy;
  /// Of it what the samples do not share, [N]: the entropy of the mean minus
  /// the mean of the entropies (Houlsby et al. 2011, eq. 2).
  at::Tensor mutual_information;
};

/// logits  float32 or float64 [samples, N, classes], as
///         BlockChain::sample_logits gives; log probabilities are such too
SampledPrediction summarise_samples(const at::Tensor& logits);

}  // namespace engraft
