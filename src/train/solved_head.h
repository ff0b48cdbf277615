#pragma once

#include <functional>
#include <optional>

#include "engraft/features/activations.h"
#include "engraft/train/fit.h"

namespace engraft {

/// Whether the head block is nothing but a linear layer on the features [N,
/// head.features] before it, told by its numbers for random ones.
bool has_linear_head(const BlockChain& chain);

/// Views [first, first + count) of every picture; -1 is the evaluation view.
struct ViewRange {
  int64_t first = 0, count = 1;
};

/// Solves for the final layer on views of the training pictures, which
/// `features`, cut before the head, holds.
HeadSolution solve_final_layer(Activations& features, const BlockChain& chain,
                               const FitSettings& settings, ViewRange views,
                               const std::function<bool()>& stop);

}  // namespace engraft
