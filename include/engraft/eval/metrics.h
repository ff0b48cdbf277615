#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engraft/json.h"

namespace engraft {

/// Wilson's score interval for k successes of n at 95 % (Wilson 1927).
/// {0, 1} when n is 0.
std::pair<double, double> wilson_interval(int64_t successes, int64_t trials);

/// Figures of one set of predictions. Rates in [0, 1].
struct Metrics {
  int64_t images = 0;
  double top1 = 0, top5 = 0;
  std::pair<double, double> top1_ci95{0, 1};
  double mean_per_class = 0;  ///< mean recall over classes that have pictures
  double macro_f1 = 0;        ///< mean F1 over the same classes
  double loss = 0;            ///< mean negative log likelihood, nats
  /// [classes][classes]: confusion[truth][predicted], counts.
  std::vector<std::vector<int64_t>> confusion;
};

/// log_probabilities float32/64 [N, C]; labels int64 [N], in [0, C).
/// Ties go to the lower class index. top5 counts the best min(5, C).
/// classes_of_interest  indices in [0, C), or empty for all: only these are
/// rows and columns of `confusion`, in this order (predictions outside of
/// them, where there is an outside, are counted in an added last column), so
/// that 1000-class models stay readable. A class whose log probability is NaN
/// counts as the least likely one; NaN at the truth makes the loss NaN.
Metrics compute_metrics(const torch::Tensor& log_probabilities,
                        const torch::Tensor& labels,
                        const std::vector<int64_t>& classes_of_interest = {});

/// Which pictures are right, as top1 counts them: bool [N]. Arguments as of
/// compute_metrics.
torch::Tensor hits(const torch::Tensor& log_probabilities,
                   const torch::Tensor& labels);

/// compute_metrics for predictions that arrive in parts: holds counts and
/// sums, not pictures, so its memory does not grow with their number.
class MetricsAccumulator {
 public:
  explicit MetricsAccumulator(std::vector<int64_t> classes_of_interest = {});
  /// As compute_metrics; every call with the same C.
  void add(const torch::Tensor& log_probabilities, const torch::Tensor& labels);
  Metrics result() const;

 private:
  void start(int64_t num_classes);
  void count(int64_t truth, int64_t predicted);

  std::vector<int64_t> interest_;
  std::vector<int64_t> row_;  ///< of a class in `confusion`, -1 for none
  std::vector<int64_t> truths_, hits_, predictions_;  ///< [C]
  int64_t images_ = 0, top1_ = 0, top5_ = 0;
  double loss_ = 0;
  std::vector<std::vector<int64_t>> confusion_;
};

/// images, top1, top1_ci95, top5, mean_per_class, macro_f1, loss, confusion.
Json to_json(const Metrics& metrics);

}  // namespace engraft
