#include "model/differentiable.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/jit.h>

#include <numeric>

namespace engraft {
namespace {

// Tensors are [N, tokens, features].
constexpr char kSource[] = R"(
def attention(x: Tensor, features: int, heads: int, qkv_w: Tensor,
              qkv_b: Tensor, out_w: Tensor, out_b: Tensor):
  n, tokens = x.size(0), x.size(1)
  qkv = torch.linear(x, qkv_w, qkv_b)
  qkv = qkv.view([n, tokens, 3, heads, features // heads])
  q, k, v = torch.unbind(torch.permute(qkv, [2, 0, 3, 1, 4]))
  y = torch.scaled_dot_product_attention(q, k, v)
  y = torch.reshape(torch.transpose(y, 1, 2), [n, tokens, features])
  return torch.linear(y, out_w, out_b)

def encoder_layer(x: Tensor, features: int, heads: int, qkv_w: Tensor,
                  qkv_b: Tensor, out_w: Tensor, out_b: Tensor, gelu: bool,
                  norm_first: bool, eps: float, norm1_w: Tensor,
                  norm1_b: Tensor, norm2_w: Tensor, norm2_b: Tensor,
                  up_w: Tensor, up_b: Tensor, down_w: Tensor, down_b: Tensor):
  y = x
  if norm_first:
    y = torch.layer_norm(x, [features], norm1_w, norm1_b, eps)
  x = x + attention(y, features, heads, qkv_w, qkv_b, out_w, out_b)
  if not norm_first:
    x = torch.layer_norm(x, [features], norm1_w, norm1_b, eps)
  y = x
  if norm_first:
    y = torch.layer_norm(x, [features], norm2_w, norm2_b, eps)
  y = torch.linear(y, up_w, up_b)
  y = torch.gelu(y) if gelu else torch.relu(y)
  x = x + torch.linear(y, down_w, down_b)
  if not norm_first:
    x = torch.layer_norm(x, [features], norm2_w, norm2_b, eps)
  return x
)";

/// A fused operation and the function that it is.
struct Spelling {
  const char* kind;
  const char* function;
  std::vector<size_t> inputs;  ///< of the node, in the function's order
  size_t mask;                 ///< the input that has to be None
};

std::vector<size_t> count_to(size_t n) {
  std::vector<size_t> out(n);
  std::iota(out.begin(), out.end(), size_t{0});
  return out;
}

const std::vector<Spelling>& spellings() {
  static const std::vector<Spelling> rows = {
      {"aten::_native_multi_head_attention",
       "attention",
       {0, 3, 4, 5, 6, 7, 8},
       9},
      {"aten::_transformer_encoder_layer_fwd", "encoder_layer", count_to(18),
       18}};
  return rows;
}

std::shared_ptr<Graph> graph_of(const char* function) {
  static const auto unit = torch::jit::compile(kSource);
  auto graph =
      torch::jit::toGraphFunction(unit->get_function(function)).graph()->copy();
  inline_calls(*graph);
  return graph;
}

/// Of itself, without a mask, and nobody asks for the weights.
bool can_be_spelled(const Node* node, const Spelling& spelling) {
  if (!is_none(node->input(spelling.mask))) return false;
  if (node->outputs().size() == 1) return true;
  return node->input(1) == node->input(0) && node->input(2) == node->input(0) &&
         !node->output(1)->hasUses();
}

}  // namespace

void make_differentiable(const std::shared_ptr<Graph>& graph) {
  for (const Spelling& spelling : spellings()) {
    const auto kind = c10::Symbol::fromQualString(spelling.kind);
    for_each_node(graph->block(), [&](Node* node) {
      if (node->kind() != kind || !can_be_spelled(node, spelling)) return;
      std::vector<Value*> inputs;
      for (const size_t index : spelling.inputs)
        inputs.push_back(node->input(index));
      torch::jit::WithInsertPoint guard(node);
      Value* spelled =
          torch::jit::insertGraph(*graph, *graph_of(spelling.function), inputs)
              .at(0);
      node->output(0)->replaceAllUsesWith(spelled);
      node->destroy();
    });
  }
}

}  // namespace engraft
