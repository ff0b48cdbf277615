#include "model/residual.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "model/layer.h"

namespace engraft {
namespace {

bool is_one_of(const Node* node, const std::unordered_set<std::string>& kinds) {
  return kinds.count(node->kind().toQualString()) > 0;
}

/// Not numbers read from a shape: those join what is far apart.
bool carries_tensor(const Value* value) {
  const auto& type = value->type();
  return type->isSubtypeOf(*c10::OptionalType::ofTensor()) ||
         type->isSubtypeOf(*c10::ListType::ofTensors()) ||
         type->kind() == c10::TypeKind::TupleType;
}

bool contains_layer(const Node* node) {
  if (weight_operand(node)) return true;
  for (const auto* block : node->blocks())
    for (const Node* inner : block->nodes())
      if (contains_layer(inner)) return true;
  return false;
}

bool is_addition(const Node* node) {
  static const std::unordered_set<std::string> kinds = {"aten::add",
                                                        "aten::add_"};
  return is_one_of(node, kinds);
}

/// Takes all of a dimension, or thins out height and width.
bool keeps_channels(const Node* slice) {
  const auto dim = constant_int(slice->input(1));
  if (dim && *dim >= 2) return true;
  const auto end = constant_int(slice->input(3));
  return (is_none(slice->input(2)) || constant_int(slice->input(2)) == 0) &&
         (is_none(slice->input(3)) ||
          end == std::numeric_limits<int64_t>::max()) &&
         constant_int(slice->input(4)) == 1;
}

/// Without a parameter, each channel for itself.
bool keeps_values(const Node* node) {
  static const std::unordered_set<std::string> kinds = {
      "aten::contiguous", "aten::clone",      "aten::alias",
      "aten::detach",     "aten::to",         "aten::view",
      "aten::reshape",    "aten::flatten",    "aten::unflatten",
      "aten::transpose",  "aten::permute",    "aten::movedim",
      "aten::squeeze",    "aten::unsqueeze",  "aten::pad",
      "aten::avg_pool2d", "aten::max_pool2d", "aten::constant_pad_nd"};
  if (node->kind() == torch::jit::aten::slice) return keeps_channels(node);
  return is_dropout(node) || is_one_of(node, kinds);
}

bool is_norm(const Node* node) {
  static const std::unordered_set<std::string> kinds = {
      "aten::batch_norm", "aten::layer_norm", "aten::group_norm",
      "aten::instance_norm"};
  return is_one_of(node, kinds);
}

/// Linear in all tensors that it joins or takes apart.
bool joins(const Node* node) {
  static const std::unordered_set<std::string> kinds = {
      "aten::sub",        "aten::cat",          "aten::stack",
      "aten::split",      "aten::chunk",        "aten::unbind",
      "aten::select",     "aten::slice",        "prim::ListConstruct",
      "prim::ListUnpack", "prim::ConstantChunk"};
  return is_addition(node) || is_one_of(node, kinds);
}

class Search {
 public:
  Search(Graph& graph, const TensorSizes& two, const TensorSizes& three)
      : graph_(graph), two_(two), three_(three) {
    active_.insert(image());
    for (Node* node : graph.nodes()) {
      bool active = false;
      for_each_input(node, [&](const Value* input) {
        active |= carries_tensor(input) && active_.count(input) > 0;
      });
      for (const Value* output : node->outputs())
        if (active && carries_tensor(output)) active_.insert(output);
    }
  }

  std::vector<ResidualBranch> run() {
    std::vector<ResidualBranch> out;
    for (Node* node : graph_.nodes())
      if (is_addition(node) && active_.count(node->input(0)) &&
          active_.count(node->input(1)))
        if (const auto branch = as_branch(node)) {
          shortcuts_[node] = node->input(1 - branch->operand);
          out.push_back(*branch);
        }
    return out;
  }

 private:
  /// One step back along a shortcut.
  struct Step {
    Value* from = nullptr;
    bool projects = false;
  };

  Value* image() const { return graph_.inputs()[0]; }

  std::optional<ResidualBranch> as_branch(Node* add) const {
    const auto dim = batch_dim(add->input(0), add->input(1));
    if (!dim) return std::nullopt;
    for (const size_t branch : {1, 0})
      if (is_residual(add->input(1 - branch), add->input(branch)))
        return ResidualBranch{add, branch, *dim};
    return std::nullopt;
  }

  bool is_residual(Value* shortcut, Value* branch) const {
    bool projects = false;
    for (Value* v = shortcut; v;) {
      if (const auto nodes = between(v, branch)) {
        bool layer = false, linear = true;
        for (Node* node : *nodes) {
          layer |= contains_layer(node);
          linear &= is_linear(node);
        }
        return layer && !(projects && linear);
      }
      const Step step = step_back(v->node());
      projects |= step.projects;
      v = step.from;
    }
    return false;
  }

  Step step_back(Node* node) const {
    const auto known = shortcuts_.find(node);
    if (known != shortcuts_.end()) return {known->second, false};
    if (node->outputs().size() != 1 || node->inputs().empty()) return {};
    if (keeps_values(node)) return {node->input(0), false};
    if (is_norm(node)) return {node->input(0), true};
    if (weight_operand(node)) return {active_input(node), true};
    // A bias, or a scale for each channel.
    if (is_addition(node) || is_one_of(node, {"aten::mul", "aten::mul_"}))
      return {active_input(node), true};
    return {};
  }

  /// The operand that depends on the image, when that is just one.
  Value* active_input(Node* node) const {
    Value* out = nullptr;
    for (Value* input : node->inputs()) {
      if (!active_.count(input)) continue;
      if (out) return nullptr;
      out = input;
    }
    return out;
  }

  bool is_linear(Node* node) const {
    return joins(node) || step_back(node).from;
  }

  /// The nodes behind v on all ways to `value`; nothing when there is no way
  /// from v, or one from the image around v.
  std::optional<std::unordered_set<Node*>> between(Value* v,
                                                   Value* value) const {
    std::unordered_set<Node*> seen;
    std::vector<Value*> open{value};
    bool reached = false;
    while (!open.empty()) {
      Value* next = open.back();
      open.pop_back();
      if (next == v) {
        reached = true;
        continue;
      }
      if (next == image()) return std::nullopt;
      if (!seen.insert(next->node()).second) continue;
      for_each_input(next->node(), [&](Value* input) {
        if (active_.count(input)) open.push_back(input);
      });
    }
    if (!reached) return std::nullopt;
    return seen;
  }

  /// The dimension that is two and three long, when the sizes are the same.
  std::optional<int64_t> batch_dim(const Value* a, const Value* b) const {
    for (const TensorSizes* sizes : {&two_, &three_}) {
      const auto one = sizes->find(a), other = sizes->find(b);
      if (one == sizes->end() || other == sizes->end() ||
          one->second != other->second)
        return std::nullopt;
    }
    const auto &with_two = two_.at(a), &with_three = three_.at(a);
    for (size_t i = 0; i < std::min(with_two.size(), with_three.size()); ++i)
      if (with_two[i] == 2 && with_three[i] == 3)
        return static_cast<int64_t>(i);
    return std::nullopt;
  }

  Graph& graph_;
  const TensorSizes &two_, &three_;
  std::unordered_set<const Value*> active_;  ///< depend on the image
  std::unordered_map<const Node*, Value*> shortcuts_;
};

}  // namespace

std::vector<ResidualBranch> residual_branches(Graph& graph,
                                              const TensorSizes& two,
                                              const TensorSizes& three) {
  return Search(graph, two, three).run();
}

}  // namespace engraft
