#pragma once

#include "model/graph.h"

namespace engraft {

/// The final layer in a lowered graph.
struct HeadNode {
  HeadInfo info;
  Node* node = nullptr;     ///< the layer itself
  Value* weight = nullptr;  ///< graph input, or a constant's output
  Value* bias = nullptr;    ///< likewise; null when there is none

  /// Input of `node` that is what the layer works on.
  size_t features_operand() const {
    return info.kind == HeadKind::addmm ? 1 : 0;
  }
};

/// Walks back from `logits` over operations that keep classes apart
/// (flatten, pooling, dropout, ...) to linear, addmm, matmul or a 1x1
/// convolution. Works on lowered and on frozen graphs.
/// Throws Error(Fault::model) naming what it met instead.
HeadNode find_head(Value* logits, const std::string& path);

}  // namespace engraft
