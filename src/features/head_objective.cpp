#include "features/head_objective.h"

#include <algorithm>

namespace engraft {

Scaling measure_scaling(const FeatureRows& rows, bool centre) {
  auto sum = torch::zeros({rows.features}, torch::kDouble);
  auto squares = torch::zeros_like(sum);
  for (int64_t i = 0; i < rows.rows; i += kRowsAtOnce) {
    const auto x =
        rows.read(i, std::min(i + kRowsAtOnce, rows.rows)).to(torch::kDouble);
    sum += x.sum(0);
    squares += x.square().sum(0);
  }
  const double n = static_cast<double>(std::max<int64_t>(rows.rows, 1));
  Scaling out;
  out.mean = centre ? sum / n : torch::zeros_like(sum);
  const auto std = (squares / n - out.mean.square()).clamp_min(0).sqrt();
  // A feature that never changes says nothing: weight 0.
  const auto least = 1e-6 * squares.div(n).sqrt().max();
  out.factor = torch::where(std > least, 1 / std, torch::zeros_like(std));
  return out;
}

HeadParameters::HeadParameters(const HeadProblem& problem,
                               const Scaling& scaling)
    : classes_(problem.classes),
      features_(problem.features.features),
      bias_(problem.bias),
      scaling_(scaling) {}

torch::Tensor HeadParameters::zeros() const {
  return torch::zeros({classes_ * (features_ + (bias_ ? 1 : 0))},
                      torch::kDouble);
}

torch::Tensor HeadParameters::weight(const torch::Tensor& x) const {
  return x.narrow(0, 0, classes_ * features_).view({classes_, features_});
}

torch::Tensor HeadParameters::bias(const torch::Tensor& x) const {
  return bias_ ? x.narrow(0, classes_ * features_, classes_)
               : torch::zeros({classes_}, torch::kDouble);
}

torch::Tensor HeadParameters::raw_weight(const torch::Tensor& x) const {
  return (weight(x) * scaling_.factor).to(torch::kFloat);
}

torch::Tensor HeadParameters::raw_bias(const torch::Tensor& x) const {
  const auto shift = (weight(x) * (scaling_.factor * scaling_.mean)).sum(1);
  return (bias(x) - (bias_ ? shift : torch::zeros_like(shift)))
      .to(torch::kFloat);
}

void HeadParameters::gradient(const torch::Tensor& by_raw,
                              const torch::Tensor& by_bias,
                              torch::Tensor& out) const {
  const auto centred = by_raw - by_bias.unsqueeze(1) * scaling_.mean;
  weight(out).copy_(centred * scaling_.factor);
  if (bias_) bias(out).copy_(by_bias);
}

namespace {

void count(const torch::Tensor& logits, const torch::Tensor& labels,
           const torch::Tensor& taking_part, int64_t begin, HeadSums& sums) {
  auto right = logits.argmax(1).eq(labels).to(torch::kFloat);
  if (taking_part.defined()) {
    const auto part = taking_part.narrow(0, begin, labels.size(0));
    right = right * part;
    sums.rows += part.sum().item<int64_t>();
  } else {
    sums.rows += labels.size(0);
  }
  sums.right += right.sum().item<int64_t>();
}

}  // namespace

HeadObjective::HeadObjective(const HeadProblem& problem, const Scaling& scaling)
    : problem_(problem), parameters_(problem, scaling) {
  class_weights_ = problem.class_weights.defined()
                       ? problem.class_weights.to(torch::kFloat)
                       : torch::ones({problem.classes}, torch::kFloat);
}

HeadSums HeadObjective::evaluate(const torch::Tensor& x,
                                 const torch::Tensor& taking_part,
                                 torch::Tensor* gradient) const {
  const auto w = parameters_.raw_weight(x), b = parameters_.raw_bias(x);
  auto by_raw = torch::zeros(w.sizes(), torch::kDouble);
  auto by_bias = torch::zeros({problem_.classes}, torch::kDouble);
  HeadSums sums;
  const int64_t all = problem_.features.rows;
  for (int64_t i = 0; i < all; i += kRowsAtOnce) {
    const int64_t n = std::min(kRowsAtOnce, all - i);
    const auto rows = problem_.features.read(i, i + n);
    const auto labels = problem_.labels.narrow(0, i, n);
    auto share = class_weights_.index_select(0, labels);
    if (taking_part.defined()) share = share * taking_part.narrow(0, i, n);
    const auto targets =
        target(labels, taking_part.defined() ? taking_part.narrow(0, i, n)
                                             : torch::Tensor());
    const auto logits = torch::addmm(b, rows, w.t());
    const auto log_p = logits.log_softmax(1);
    sums.loss -= (targets * log_p).sum(torch::kDouble).item<double>();
    sums.weight += share.sum(torch::kDouble).item<double>();
    if (gradient) {
      const auto g = targets.sum(1, true) * log_p.exp() - targets;
      by_raw += g.t().matmul(rows).to(torch::kDouble);
      by_bias += g.sum(0, false, torch::kDouble);
    } else {
      count(logits, labels, taking_part, i, sums);
    }
  }
  if (gradient) parameters_.gradient(by_raw, by_bias, *gradient);
  return sums;
}

ConvexFunction HeadObjective::penalised(const torch::Tensor& taking_part,
                                        double l2) const {
  return [this, taking_part, l2](const torch::Tensor& x, torch::Tensor& out) {
    const HeadSums sums = evaluate(x, taking_part, &out);
    const auto weight = parameters_.weight(x);
    parameters_.weight(out).add_(weight, l2);
    out.div_(sums.weight);
    return (sums.loss + l2 / 2 * weight.square().sum().item<double>()) /
           sums.weight;
  };
}

torch::Tensor HeadObjective::target(const torch::Tensor& labels,
                                    const torch::Tensor& taking_part) const {
  const double smooth = problem_.label_smoothing;
  auto out = torch::full({labels.size(0), problem_.classes},
                         smooth / static_cast<double>(problem_.classes));
  out.scatter_add_(1, labels.unsqueeze(1),
                   torch::full({labels.size(0), 1}, 1 - smooth));
  out.mul_(class_weights_);
  if (taking_part.defined()) out.mul_(taking_part.unsqueeze(1));
  return out;
}

}  // namespace engraft
