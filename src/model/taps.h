#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>

#include "engraft/model/chain.h"

namespace engraft {

/// Which dimension of what blocks give holds the channels, the batch being
/// dimension 0: 1 for maps [N, C, H, W] and vectors [N, C], the last one for
/// tokens [N, T, C] and maps [N, H, W, C] (told by H = W).
int64_t channel_dimension(const std::vector<int64_t>& output_size);

/// Values a picture that a tap at the cut gives: 256 in front of all blocks,
/// else the channels of what block cut - 1 gives.
int64_t tap_width(const BlockChain& chain, int64_t cut);

/// Adds a tap to a graph: the mean over places of `value`, [N, C], or of
/// images a grey thumbnail of 16 x 16, [N, 256].
torch::jit::Value* insert_tap(torch::jit::Graph& graph,
                              torch::jit::Value* value, const BlockChain& chain,
                              int64_t cut);

}  // namespace engraft
