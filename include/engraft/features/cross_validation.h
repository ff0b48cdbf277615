#pragma once

#include <torch/types.h>

#include <functional>
#include <vector>

#include "engraft/features/head_solver.h"

namespace engraft {

/// Every row as a head sees it that has not learned from its picture.
struct HeldOut {
  double loss = 0;      ///< mean negative log likelihood of the rows
  double accuracy = 0;  ///< of the rows
  int64_t learned = 0;  ///< rows that a head learned from, about
  torch::Tensor log_probabilities;  ///< float32 [rows, classes]
  /// The same of each of `others`.
  std::vector<torch::Tensor> others;
};

/// Other views of pictures of a problem.
struct OtherRows {
  FeatureRows features;
  torch::Tensor pictures;  ///< int64 [rows], numbers as in the problem
};

/// Five heads, each solved as solve_head does on four of five stratified folds
/// of pictures, predict the fold that is left.
/// Folds of a small head are solved side by side: several threads may read the
/// features at once.
/// share  of the pictures of each class that the heads learn from, in (0, 1];
///        those of a smaller share are among those of a larger one
HeldOut predict_held_out(const HeadProblem& problem, double l2,
                         double share = 1,
                         const std::vector<OtherRows>& others = {},
                         const std::function<bool()>& stop = {});

/// Walks the penalties from strong to weak on all folds at once, until the
/// loss has risen twice, on at most 4096 rows, which are brought into memory.
std::vector<PenaltyTrial> try_penalties(const HeadProblem& problem,
                                        const std::function<bool()>& stop = {});

/// That of the least held-out loss; 1 without trials.
double best_penalty(const std::vector<PenaltyTrial>& trials);

}  // namespace engraft
