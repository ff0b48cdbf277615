#include "engraft/eval/metrics.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

namespace engraft {
namespace {

/// NaN is likelier than nothing: it must never look like a right answer.
bool likelier(double a, double b) {
  return std::isnan(b) ? !std::isnan(a) : a > b;
}

/// Classes that come before `truth` when the likeliest comes first.
int64_t rank_of(const double* row, int64_t classes, int64_t truth) {
  int64_t rank = 0;
  for (int64_t c = 0; c < classes; ++c)
    if (c != truth && (likelier(row[c], row[truth]) ||
                       (!likelier(row[truth], row[c]) && c < truth)))
      ++rank;
  return rank;
}

int64_t likeliest(const double* row, int64_t classes) {
  int64_t best = 0;
  for (int64_t c = 1; c < classes; ++c)
    if (likelier(row[c], row[best])) best = c;
  return best;
}

/// Among the `best` likeliest classes; NaN never is.
bool is_within(const double* row, int64_t classes, int64_t truth,
               int64_t best) {
  return !std::isnan(row[truth]) && rank_of(row, classes, truth) < best;
}

double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0
                    : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::pair<double, double> wilson_interval(int64_t successes, int64_t trials) {
  if (trials == 0) return {0.0, 1.0};
  const double z = 1.959963984540054;  // normal quantile at 0.975
  const double n = static_cast<double>(trials);
  const double p = static_cast<double>(successes) / n;
  const double centre = p + z * z / (2 * n);
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  const double scale = 1 + z * z / n;
  return {std::max(0.0, (centre - half) / scale),
          std::min(1.0, (centre + half) / scale)};
}

MetricsAccumulator::MetricsAccumulator(std::vector<int64_t> classes_of_interest)
    : interest_(std::move(classes_of_interest)) {}

void MetricsAccumulator::start(int64_t num_classes) {
  const auto size = static_cast<size_t>(num_classes);
  truths_.assign(size, 0);
  hits_.assign(size, 0);
  predictions_.assign(size, 0);
  row_.assign(size, -1);
  int64_t rows = num_classes;
  if (interest_.empty()) {
    for (int64_t c = 0; c < num_classes; ++c) row_[c] = c;
  } else {
    rows = static_cast<int64_t>(interest_.size());
    for (int64_t r = 0; r < rows; ++r) row_.at(interest_[r]) = r;
  }
  const int64_t columns = rows < num_classes ? rows + 1 : rows;
  confusion_.assign(rows, std::vector<int64_t>(columns, 0));
}

void MetricsAccumulator::count(int64_t truth, int64_t predicted) {
  ++truths_[truth];
  ++predictions_[predicted];
  if (truth == predicted) ++hits_[truth];
  TORCH_CHECK(row_[truth] >= 0, "Label ", truth, " is no class of interest");
  auto& row = confusion_[row_[truth]];
  ++row[row_[predicted] >= 0 ? row_[predicted]
                             : static_cast<int64_t>(row.size()) - 1];
}

void MetricsAccumulator::add(const torch::Tensor& log_probabilities,
                             const torch::Tensor& labels) {
  const auto scores =
      log_probabilities.detach().to(torch::kCPU, torch::kFloat64).contiguous();
  const auto truths = labels.to(torch::kCPU, torch::kInt64).contiguous();
  TORCH_CHECK(scores.dim() == 2 && truths.numel() == scores.size(0),
              "Expected [N, C] and [N], got ", scores.sizes(), " and ",
              truths.sizes());
  const int64_t classes = scores.size(1);
  if (row_.empty()) start(classes);
  TORCH_CHECK(classes == static_cast<int64_t>(row_.size()),
              "The number of classes changed from ", row_.size(), " to ",
              classes);
  for (int64_t n = 0; n < scores.size(0); ++n) {
    const double* row = scores.data_ptr<double>() + n * classes;
    const int64_t truth = truths.data_ptr<int64_t>()[n];
    TORCH_CHECK(truth >= 0 && truth < classes, "Label ", truth,
                " is outside of [0, ", classes, ")");
    top1_ += is_within(row, classes, truth, 1);
    top5_ += is_within(row, classes, truth, 5);
    loss_ -= row[truth];
    count(truth, likeliest(row, classes));
    ++images_;
  }
}

Metrics MetricsAccumulator::result() const {
  Metrics out;
  out.images = images_;
  out.confusion = confusion_;
  if (images_ == 0) return out;
  out.top1 = ratio(top1_, images_);
  out.top5 = ratio(top5_, images_);
  out.top1_ci95 = wilson_interval(top1_, images_);
  out.loss = loss_ / static_cast<double>(images_);
  int64_t present = 0;
  for (size_t c = 0; c < truths_.size(); ++c) {
    if (truths_[c] == 0) continue;
    ++present;
    out.mean_per_class += ratio(hits_[c], truths_[c]);
    // F1 = 2 TP / (2 TP + FP + FN), and TP + FN, TP + FP are the two sums.
    out.macro_f1 += ratio(2 * hits_[c], truths_[c] + predictions_[c]);
  }
  out.mean_per_class /= static_cast<double>(present);
  out.macro_f1 /= static_cast<double>(present);
  return out;
}

Metrics compute_metrics(const torch::Tensor& log_probabilities,
                        const torch::Tensor& labels,
                        const std::vector<int64_t>& classes_of_interest) {
  MetricsAccumulator accumulator(classes_of_interest);
  accumulator.add(log_probabilities, labels);
  return accumulator.result();
}

torch::Tensor hits(const torch::Tensor& log_probabilities,
                   const torch::Tensor& labels) {
  const auto scores =
      log_probabilities.detach().to(torch::kCPU, torch::kFloat64).contiguous();
  const auto truths = labels.to(torch::kCPU, torch::kInt64).contiguous();
  const int64_t classes = scores.size(1);
  auto out = torch::empty({scores.size(0)}, torch::kBool);
  for (int64_t n = 0; n < scores.size(0); ++n)
    out.data_ptr<bool>()[n] =
        is_within(scores.data_ptr<double>() + n * classes, classes,
                  truths.data_ptr<int64_t>()[n], 1);
  return out;
}

Json to_json(const Metrics& metrics) {
  Json out;
  out["images"] = metrics.images;
  out["top1"] = metrics.top1;
  out["top1_ci95"] = {metrics.top1_ci95.first, metrics.top1_ci95.second};
  out["top5"] = metrics.top5;
  out["mean_per_class"] = metrics.mean_per_class;
  out["macro_f1"] = metrics.macro_f1;
  out["loss"] = metrics.loss;
  out["confusion"] = metrics.confusion;
  return out;
}

}  // namespace engraft
