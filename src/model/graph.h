#pragma once

// Only the files of this folder include the TorchScript compiler's own headers;
// nothing of it reaches the public headers.

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engraft/model/chain.h"

namespace engraft {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

/// A model's forward as one graph of tensors: no module, no method call, no
/// assertion. Input 0 is the image, input 1 + i is tensors[i].
struct LoweredGraph {
  std::shared_ptr<Graph> graph;
  std::vector<NamedTensor> tensors;

  bool is_tensor_input(const Value* value) const;
  /// The tensor behind an input value of the graph.
  const NamedTensor& tensor_of(const Value* value) const;
};

/// Counts of what the graph's flags say before they are set.
struct ModeCounts {
  int64_t batch_norms = 0, dropouts = 0;
  int64_t baked_batch_norms = 0, baked_dropouts = 0;  ///< baked in train mode
  bool constants = false;  ///< at least one flag is a constant of the graph
};

/// Lowers `module` (in eval mode). Tensors that are one object stay one input.
/// Throws Error(Fault::model) with the reason when it cannot be done.
LoweredGraph lower(const torch::jit::Module& module, const std::string& path);

/// Sets constant train flags of batch norms and dropouts to evaluation, takes
/// the expectation of stochastic depth's noise, and drops the counting of
/// batches, in `graph` and its sub-blocks. What is not constant is left.
ModeCounts set_evaluation_mode(Graph& graph);

/// Puts the bodies of called methods and functions in the place of the calls.
/// As torch::jit::Inline, which first optimises each of them by itself: the
/// whole is optimised anyhow, and that takes a tenth of a second.
void inline_calls(Graph& graph);

/// Constant propagation, peepholes, dead code, assertions and warnings, until
/// nothing changes.
void simplify(std::shared_ptr<Graph>& graph);

/// What a forward returns, reduced to logits.
struct Output {
  Value* logits = nullptr;
  std::vector<std::string> notes;  ///< what was left out or cut off
  bool plain() const { return notes.empty(); }
};

/// Takes the main tensor out of a tuple or dict, then walks over a final
/// softmax or log_softmax. Throws Error(Fault::model) when it is not clear.
Output resolve_output(const Graph& graph, const std::string& path);

/// Makes `value` the only output.
void return_only(Graph& graph, Value* value);

/// What it gives for images, float32 [N, 3, S, S], run node by node.
torch::Tensor output_of(const LoweredGraph& lowered,
                        const torch::Tensor& images);

/// The sentence of a TorchScript error that says what went wrong.
std::string last_line(const std::string& what);

/// The graph of a module's method, not a copy.
std::shared_ptr<Graph> method_graph(const torch::jit::Method& method);

/// Calls each(node) for the nodes of `block` and, before it, of the blocks in
/// it. `each` may destroy the node.
template <typename Each>
void for_each_node(torch::jit::Block* block, const Each& each) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    Node* node = *it++;
    for (torch::jit::Block* inner : node->blocks()) for_each_node(inner, each);
    each(node);
  }
}

/// Calls each(value) for the inputs of `node` and what its blocks use.
template <typename Each>
void for_each_input(Node* node, const Each& each) {
  for (Value* input : node->inputs()) each(input);
  for (torch::jit::Block* block : node->blocks()) {
    for (Node* inner : block->nodes()) for_each_input(inner, each);
    for (Value* output : block->outputs()) each(output);
  }
}

bool is_batch_norm(const Node* node);
/// Also a fused encoder layer, which holds two.
bool is_layer_norm(const Node* node);
bool is_dropout(const Node* node);

/// The constant integer behind a value.
std::optional<int64_t> constant_int(const Value* value);
/// The constant number behind a value, whole or not.
std::optional<double> constant_number(const Value* value);
/// The value is the constant None.
bool is_none(const Value* value);
/// The node that uses a value, when it is used once.
Node* only_user(const Value* value);

}  // namespace engraft
