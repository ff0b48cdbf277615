#pragma once

#include <torch/types.h>

#include <cstdint>

#include "engraft/json.h"

namespace engraft {

/// Two-sided p-value of McNemar's test (McNemar 1947) in its exact, binomial
/// form. Of the won + lost pictures on which two classifiers differ, the one
/// has `won` right and the other `lost`: the probability of a split at least
/// as uneven when each picture falls to either of them with probability 1/2.
/// 1 when they differ on none.
double mcnemar_exact(int64_t won, int64_t lost);

/// An ensemble beside the best of its members, on the same pictures. The
/// member was found to be the best on these pictures, which flatters it.
struct Gain {
  int64_t best = 0;    ///< index of the member
  double top1 = 0;     ///< the ensemble's top-1 accuracy minus the member's
  int64_t won = 0;     ///< pictures that only the ensemble has right
  int64_t lost = 0;    ///< pictures that only the member has right
  double p_value = 1;  ///< mcnemar_exact(won, lost)
};

/// ensemble, member  bool [N]: which pictures each has right
Gain compare_paired(const torch::Tensor& ensemble, const torch::Tensor& member);

/// best_member, top1, won, lost, p_value.
Json to_json(const Gain& gain);

}  // namespace engraft
