#pragma once

#include <torch/types.h>

#include <functional>
#include <optional>
#include <vector>

#include "engraft/json.h"

namespace engraft {

/// Features of a softmax regression, read in parts so that they need not be
/// in memory at once.
struct FeatureRows {
  int64_t rows = 0, features = 0;
  /// Rows [begin, end) as float32 [end - begin, features], CPU.
  std::function<torch::Tensor(int64_t begin, int64_t end)> read;
};

struct HeadProblem {
  FeatureRows features;
  torch::Tensor labels;  ///< int64 [rows], in [0, classes)
  /// Rows of one picture (its views) have one number, so that no fold holds
  /// out a view whose picture it learned from. int64 [rows].
  torch::Tensor pictures;
  int64_t classes = 0;
  torch::Tensor class_weights;  ///< float32 [classes], or undefined
  double label_smoothing = 0;
  bool bias = true;
};

/// One penalty as cross-validation judged it.
struct PenaltyTrial {
  double l2 = 0;
  double loss = 0;      ///< mean negative log likelihood of held-out rows
  double accuracy = 0;  ///< of held-out rows
};

struct HeadSolution {
  torch::Tensor weight;  ///< float32 [classes, features]
  torch::Tensor bias;    ///< float32 [classes]; zero when the problem has none
  double l2 = 0;
  int64_t iterations = 0;  ///< of the final solution
  double loss = 0;         ///< mean over rows, without the penalty
  double accuracy = 0;     ///< over rows
  std::vector<PenaltyTrial> trials;
};

/// Multinomial logistic regression by L-BFGS (Liu & Nocedal 1989):
///   min over W, b  of  sum_i loss_i + l2 / 2 |W|^2
///   loss_i = - sum_c a_ic log softmax(W z_i + b)_c
///   a_ic = (1 - smoothing) w_c [c = label_i] + smoothing / classes w_c
/// divided by the sum of the w of the labels, so that the terms are those of
/// torch.nn.functional.cross_entropy. z = (x - mean) / std are standardised
/// features, which gives a penalty the same meaning for every model; W and b
/// are given back for x itself. Without a bias z = x / root mean square.
///
/// l2 unset: the penalty of least held-out loss in stratified cross-validation
/// over pictures (five folds), walked from strong to weak with warm starts
/// until the loss has risen twice, on at most 4096 rows. A function of its
/// arguments alone. `stop` is asked between iterations; true ends with what
/// there is.
HeadSolution solve_head(const HeadProblem& problem, std::optional<double> l2,
                        const std::function<bool()>& stop = {});

Json to_json(const HeadSolution& solution);

}  // namespace engraft
