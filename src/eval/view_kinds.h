#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "engraft/eval/evaluator.h"

namespace engraft {

/// Views [first, first + count) of a picture, judged together.
struct ViewKind {
  std::string name;
  int64_t first = 0, count = 1;
};

/// 1 where that is among the scales, else their first.
double centre_scale(const ViewOptions& options);

/// What a test of evaluation_views tells apart: first the centre crop of
/// centre_scale, then the crops of each scale, and all where there are several
/// scales. The last one has all views.
std::vector<ViewKind> view_kinds(const ViewOptions& options);

/// Figures of each of view_kinds, from the same logits. Memory as
/// MetricsAccumulator.
class ViewMetrics {
 public:
  /// classes_of_interest as in compute_metrics.
  ViewMetrics(const ViewOptions& options,
              const std::vector<int64_t>& classes_of_interest);
  /// logits [N, V, C] with V = options.views(); labels int64 [N]. Returns the
  /// log probabilities of each kind, float64 [N, C].
  std::vector<torch::Tensor> add(const torch::Tensor& logits,
                                 const torch::Tensor& labels);

  Metrics centre() const { return metrics_.front().result(); }
  Metrics all() const { return metrics_.back().result(); }
  std::vector<ViewFigures> each() const;

 private:
  const CropAverage average_;
  const std::vector<ViewKind> kinds_;
  std::vector<MetricsAccumulator> metrics_;  ///< [kinds]
};

}  // namespace engraft
