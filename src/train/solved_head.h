#pragma once

#include <functional>
#include <optional>

#include "engraft/train/activations.h"
#include "engraft/train/fit.h"

namespace engraft {

/// Whether the head block is the final layer and nothing else, as far as shapes
/// tell.
bool has_linear_head(const BlockChain& chain);

/// Whether the head block is nothing but a linear layer on the features [N,
/// head.features] before it, told by its numbers for these features.
bool is_linear_head(const BlockChain& chain, const torch::Tensor& features);

/// Solves for the final layer on random views [0, views) of the training
/// pictures, which `features`, cut before the head, holds.
HeadSolution solve_final_layer(Activations& features, const BlockChain& chain,
                               const FitSettings& settings, int64_t views,
                               const std::function<bool()>& stop);

}  // namespace engraft
