#pragma once

#include "model/graph.h"

namespace engraft {

/// Operand of a linear or convolution layer that is its weight, an input of
/// the graph behind the first one, perhaps transposed or cast. Nothing for
/// other nodes.
std::optional<size_t> weight_operand(const Node* node);

/// The graph's input behind such an operand.
const Value* weight_input(const Value* operand);

}  // namespace engraft
