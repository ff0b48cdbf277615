#pragma once

#include <torch/types.h>

#include <cstdint>

#include "engraft/features/head_solver.h"
#include "features/lbfgs.h"

namespace engraft {

/// Little memory, however many rows there are.
inline constexpr int64_t kRowsAtOnce = 512;

/// What standardises features; fixed for all folds: it sees no label.
struct Scaling {
  torch::Tensor mean, factor;  ///< float64 [features]; factor = 1 / std
};

/// centre  false without a bias: the features keep their zero
Scaling measure_scaling(const FeatureRows& rows, bool centre);

/// W (standardised) and b as one float64 vector, and as they work on the
/// features themselves. `scaling` must outlive it.
class HeadParameters {
 public:
  HeadParameters(const HeadProblem& problem, const Scaling& scaling);

  torch::Tensor zeros() const;
  torch::Tensor weight(const torch::Tensor& x) const;
  torch::Tensor bias(const torch::Tensor& x) const;
  torch::Tensor raw_weight(const torch::Tensor& x) const;  ///< float32
  torch::Tensor raw_bias(const torch::Tensor& x) const;    ///< float32
  /// Gradient by W and b from sums over rows of G^T x and G.
  void gradient(const torch::Tensor& by_raw, const torch::Tensor& by_bias,
                torch::Tensor& out) const;

 private:
  int64_t classes_, features_;
  bool bias_;
  const Scaling& scaling_;
};

/// Sums over the rows that take part.
struct HeadSums {
  double loss = 0, weight = 0;
  int64_t right = 0, rows = 0;
};

/// The loss of solve_head, of some rows or all. The problem and the scaling
/// must outlive it.
class HeadObjective {
 public:
  HeadObjective(const HeadProblem& problem, const Scaling& scaling);

  const HeadParameters& parameters() const { return parameters_; }

  /// taking_part  float32 [rows] of 0 and 1, or undefined for all rows.
  /// gradient     of the sum of losses, or null when only sums are wanted.
  HeadSums evaluate(const torch::Tensor& x, const torch::Tensor& taking_part,
                    torch::Tensor* gradient) const;

  /// The mean loss with the penalty, and its gradient.
  ConvexFunction penalised(const torch::Tensor& taking_part, double l2) const;

 private:
  torch::Tensor target(const torch::Tensor& labels,
                       const torch::Tensor& taking_part) const;

  const HeadProblem& problem_;
  HeadParameters parameters_;
  torch::Tensor class_weights_;
};

}  // namespace engraft
