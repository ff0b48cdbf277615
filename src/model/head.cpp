#include "model/head.h"

#include <torch/csrc/jit/ir/constants.h>

#include <unordered_set>

namespace engraft {
namespace {

namespace aten = torch::jit::aten;
namespace prim = torch::jit::prim;

/// Operations through which each class keeps its own channel.
bool keeps_classes(const Node* node) {
  static const std::unordered_set<std::string> names = {
      "flatten",    "view",       "reshape",
      "squeeze",    "unsqueeze",  "contiguous",
      "clone",      "to",         "relu",
      "relu_",      "mean",       "adaptive_avg_pool2d",
      "avg_pool2d", "max_pool2d", "adaptive_max_pool2d",
      "alias",      "detach",     "float",
      "type_as"};
  if (is_dropout(node)) return true;
  const std::string name = node->kind().toQualString();
  return name.rfind("aten::", 0) == 0 && names.count(name.substr(6)) > 0;
}

/// What a value was before it was given another type: some models bring their
/// weights to the image's type, which here is the same.
Value* uncast(Value* value) {
  while (value->node()->kind() == torch::jit::aten::to)
    value = value->node()->input(0);
  return value;
}

/// The parameter behind a value, over a transposition.
struct Weight {
  Value* value = nullptr;
  bool transposed = false;  ///< a t() stands between
};

Weight weight_of(Value* value) {
  value = uncast(value);
  Node* node = value->node();
  const std::string kind = node->kind().toQualString();
  if (kind == "aten::t" || kind == "aten::numpy_T")
    return {uncast(node->input(0)), true};
  if (kind == "aten::transpose") return {uncast(node->input(0)), true};
  return {value, false};
}

bool is_weight(const Value* value) {
  if (!value) return false;
  if (value->node()->kind() == prim::Param ||
      value->node()->kind() == prim::GetAttr)
    return value->type()->isSubtypeOf(*c10::TensorType::get());
  const auto constant = torch::jit::toIValue(value);
  return constant && constant->isTensor() && constant->toTensor().defined();
}

Value* optional_weight(Value* value) {
  value = uncast(value);
  return is_weight(value) ? value : nullptr;
}

/// Fills the rest from a product's weight operand; [C, F] behind t().
std::optional<HeadNode> product(HeadKind kind, Node* node, Value* operand,
                                Value* bias) {
  const Weight weight = weight_of(operand);
  if (!is_weight(weight.value)) return std::nullopt;
  HeadNode head;
  head.node = node;
  head.weight = weight.value;
  head.bias = bias;
  head.info.kind = kind;
  head.info.input_major = !weight.transposed;
  return head;
}

std::optional<HeadNode> as_head(Node* node) {
  const std::string kind = node->kind().toQualString();
  if (kind == "aten::linear" && is_weight(uncast(node->input(1)))) {
    HeadNode head;
    head.node = node;
    head.weight = uncast(node->input(1));
    head.bias = optional_weight(node->input(2));
    return head;
  }
  if (kind == "aten::addmm")
    return product(HeadKind::addmm, node, node->input(2),
                   optional_weight(node->input(0)));
  if (kind == "aten::matmul" || kind == "aten::mm")
    return product(HeadKind::matmul, node, node->input(1), nullptr);
  if ((kind == "aten::add" || kind == "aten::add_") &&
      is_weight(node->input(1))) {
    Node* inner = node->input(0)->node();
    const std::string inner_kind = inner->kind().toQualString();
    if (inner_kind == "aten::matmul" || inner_kind == "aten::mm")
      return product(HeadKind::matmul, inner, inner->input(1), node->input(1));
  }
  if ((kind == "aten::conv2d" || kind == "aten::_convolution" ||
       kind == "aten::convolution") &&
      is_weight(uncast(node->input(1)))) {
    HeadNode head;
    head.node = node;
    head.weight = uncast(node->input(1));
    head.bias = optional_weight(node->input(2));
    head.info.kind = HeadKind::conv;
    return head;
  }
  return std::nullopt;
}

}  // namespace

HeadNode find_head(Value* logits, const std::string& path) {
  for (Value* value = logits;; value = value->node()->input(0)) {
    Node* node = value->node();
    if (const auto head = as_head(node)) return *head;
    if (node->kind() == prim::Param)
      fail(Fault::model, path,
           ": has no final layer: no linear or 1x1 convolution feeds the "
           "output");
    if (!keeps_classes(node))
      fail(Fault::model, path,
           ": has no final layer that can be replaced: walking back from the ",
           "output, no linear layer or 1x1 convolution was met before '",
           node->kind().toQualString(), "'");
  }
}

}  // namespace engraft
