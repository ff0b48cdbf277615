#include "model/layer.h"

#include <unordered_map>

namespace engraft {
namespace {

bool is_tensor_input(const Value* value) {
  const Node* node = value->node();
  return node == node->owningGraph()->param_node() && value->offset() > 0;
}

bool passes_weight(const Node* node) {
  const std::string kind = node->kind().toQualString();
  return kind == "aten::t" || kind == "aten::transpose" ||
         kind == "aten::numpy_T" || kind == "aten::to";
}

}  // namespace

const Value* weight_input(const Value* operand) {
  while (passes_weight(operand->node())) operand = operand->node()->input(0);
  return operand;
}

std::optional<size_t> weight_operand(const Node* node) {
  static const std::unordered_map<std::string, size_t> operands = {
      {"aten::linear", 1}, {"aten::addmm", 2},        {"aten::matmul", 1},
      {"aten::mm", 1},     {"aten::conv1d", 1},       {"aten::conv2d", 1},
      {"aten::conv3d", 1}, {"aten::_convolution", 1}, {"aten::convolution", 1}};
  const auto found = operands.find(node->kind().toQualString());
  if (found == operands.end() ||
      !is_tensor_input(weight_input(node->input(found->second))))
    return std::nullopt;
  return found->second;
}

}  // namespace engraft
