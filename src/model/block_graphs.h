#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <memory>
#include <vector>

#include "engraft/model/chain.h"

namespace engraft {

/// Blocks [0, end) in inference mode as one graph: input 0 is the image, the
/// tensors of the blocks are constants. The graph is the caller's.
/// taps  cuts, rising, none beyond `end`: the output is then what is tapped
///       there (see insert_tap), side by side
std::shared_ptr<torch::jit::Graph> prefix_graph(
    const BlockChain& chain, int64_t end,
    const std::vector<int64_t>& taps = {});

/// Side of the square images that the chain was cut with.
int64_t input_size(const BlockChain& chain);

}  // namespace engraft
