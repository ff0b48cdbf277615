#pragma once

#include <memory>

#include "model/graph.h"

namespace engraft {

/// Spells out what a trace in evaluation mode may hold and LibTorch cannot
/// differentiate, in operations that it can: the fast paths of
/// torch.nn.MultiheadAttention and torch.nn.TransformerEncoderLayer (Vaswani et
/// al. 2017), where they attend to themselves without a mask. Leaves others.
void make_differentiable(const std::shared_ptr<Graph>& graph);

}  // namespace engraft
