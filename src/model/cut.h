#pragma once

#include <torch/csrc/jit/runtime/interpreter.h>

#include <map>

#include "model/graph.h"
#include "model/head.h"

namespace engraft {

/// One block: nodes (first, last] of the lowered graph's top level, as a graph
/// of its own with inputs (activation, tensors...) and one output.
struct BlockGraph {
  std::shared_ptr<Graph> graph;
  std::vector<size_t> tensors;  ///< indices into LoweredGraph::tensors
  bool writes_input = false;    ///< an in-place operation on the activation
  std::vector<int64_t> output_size;  ///< without the batch dimension
};

/// The lowered graph cut into a row of blocks, the head last.
struct CutGraph {
  std::vector<BlockGraph> blocks;
  /// The head could not be separated from what is before it: then the last
  /// backbone block is the identity and its tensors are the head block's,
  /// the final layer's excepted.
  bool fused_head = false;
};

/// Cuts at places where exactly one tensor is alive and its first dimension is
/// the batch, and groups steps at residual boundaries.
/// input_size  side of the square images on which shapes are found
CutGraph cut(const LoweredGraph& lowered, const HeadNode& head,
             int64_t input_size);

using TensorSizes = std::map<const Value*, std::vector<int64_t>>;

/// Sizes of every top-level tensor for a batch of `batch` images.
TensorSizes tensor_sizes(const LoweredGraph& lowered, int64_t batch,
                         int64_t input_size);

/// The same for a graph of tensors with these inputs.
TensorSizes tensor_sizes(const std::shared_ptr<Graph>& graph,
                         const torch::Tensor& first,
                         const std::vector<torch::Tensor>& rest);

/// Runs a graph of tensors. The graph must not change afterwards.
std::vector<torch::Tensor> run_graph(const torch::jit::Code& code,
                                     const torch::Tensor& first,
                                     const std::vector<torch::Tensor>& rest);

}  // namespace engraft
