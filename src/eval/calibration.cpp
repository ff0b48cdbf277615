#include "engraft/eval/calibration.h"

#include <torch/nn/functional/loss.h>

#include <cmath>

namespace engraft {

double fit_temperature(const torch::Tensor& logits,
                       const torch::Tensor& labels) {
  if (!logits.defined() || logits.size(0) == 0) return 1;
  const auto scores = logits.to(torch::kDouble);
  const auto loss = [&](double log_t) {
    return torch::nn::functional::cross_entropy(scores / std::exp(log_t),
                                                labels)
        .item<double>();
  };
  // The loss is convex in 1/T, so unimodal in log T: golden-section search.
  constexpr double kGolden = 0.6180339887498949;
  double low = std::log(0.05), high = std::log(20.0);
  for (int i = 0; i < 60; ++i) {
    const double a = high - kGolden * (high - low);
    const double b = low + kGolden * (high - low);
    (loss(a) < loss(b) ? high : low) = loss(a) < loss(b) ? b : a;
  }
  return std::exp(0.5 * (low + high));
}

}  // namespace engraft
