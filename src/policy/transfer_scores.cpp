#include "engraft/policy/transfer_scores.h"

#include <algorithm>
#include <cmath>

namespace engraft {
namespace {

/// Eigenvalues of F F^T that are not zero, and F's left singular vectors.
struct Spectrum {
  torch::Tensor values;   ///< float64 [K]
  torch::Tensor vectors;  ///< float64 [N, K]
};

Spectrum spectrum_of(const torch::Tensor& features) {
  // Of the smaller of the two Gram matrices: a tenth of the time of an SVD.
  const bool by_rows = features.size(0) <= features.size(1);
  const auto gram =
      by_rows ? features.matmul(features.t()) : features.t().matmul(features);
  auto [values, vectors] = at::linalg_eigh(gram);
  const auto kept =
      values.gt(1e-10 * values.max().clamp_min(1e-300)).nonzero().flatten();
  values = values.index_select(0, kept);
  vectors = vectors.index_select(1, kept);
  if (!by_rows) vectors = features.matmul(vectors) / values.sqrt();
  return {values, vectors};
}

/// Of one class: the evidence at its maximum over both precisions.
double evidence(const Spectrum& spectrum, const torch::Tensor& target) {
  constexpr int kMostSteps = 50;
  constexpr double kTiny = 1e-12;
  const auto n = static_cast<double>(target.size(0));
  const auto& sigma = spectrum.values;
  const auto z2 = spectrum.vectors.t().matmul(target).square();
  // What no combination of the features reaches.
  const double beyond = std::max(
      target.square().sum().item<double>() - z2.sum().item<double>(), 0.0);
  double alpha = 1, beta = 1, weights = 0, residual = 0;
  for (int step = 0; step < kMostSteps; ++step) {
    const double ratio = alpha / beta;
    const double used = (sigma / (sigma + ratio)).sum().item<double>();
    weights = (sigma * z2 / (sigma + ratio).square()).sum().item<double>();
    residual =
        (z2 / (1 + sigma / ratio).square()).sum().item<double>() + beyond;
    alpha = used / (weights + kTiny);
    beta = (n - used) / (residual + kTiny);
    const double moved = std::abs(alpha / beta - ratio) / ratio;
    if (moved < 1e-3) break;
  }
  const auto rank = static_cast<double>(sigma.size(0));
  return rank / 2 * std::log(alpha) -
         (alpha + beta * sigma).log().sum().item<double>() / 2 +
         n / 2 * std::log(beta) - beta / 2 * residual - alpha / 2 * weights -
         n / 2 * std::log(2 * M_PI);
}

torch::Tensor class_indicators(const torch::Tensor& labels, int64_t classes) {
  return torch::zeros({labels.size(0), classes}, torch::kDouble)
      .scatter_(1, labels.unsqueeze(1), 1.0);
}

}  // namespace

double log_me(const torch::Tensor& features, const torch::Tensor& labels,
              int64_t classes) {
  torch::NoGradGuard no_grad;
  const Spectrum spectrum = spectrum_of(features.to(torch::kDouble));
  const auto targets = class_indicators(labels, classes);
  double sum = 0;
  for (int64_t c = 0; c < classes; ++c)
    sum += evidence(spectrum, targets.select(1, c));
  return sum / static_cast<double>(classes * labels.size(0));
}

double leep(const torch::Tensor& probabilities, const torch::Tensor& labels,
            int64_t classes) {
  torch::NoGradGuard no_grad;
  const auto p = probabilities.to(torch::kDouble);
  const auto joint =
      class_indicators(labels, classes).t().matmul(p);  // [classes, Z]
  const auto given = joint / joint.sum(0, true).clamp_min(1e-300);
  const auto likelihood = (given.index_select(0, labels) * p).sum(1);
  return likelihood.clamp_min(1e-300).log().mean().item<double>();
}

}  // namespace engraft
