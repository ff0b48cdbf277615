#include "model/fuse.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/remove_mutation.h>

#include <map>
#include <optional>
#include <string>

#include "model/cut.h"

namespace engraft {
namespace {

namespace aten = torch::jit::aten;
using Sizes = std::map<const Value*, std::vector<int64_t>>;

std::optional<c10::OperatorHandle> operation(const char* name,
                                             const char* overload = "") {
  return c10::Dispatcher::singleton().findSchema({name, overload});
}

/// Where the arguments of a convolution node lie.
struct Convolution {
  Node* node = nullptr;
  Value *input, *weight, *bias, *stride, *padding, *dilation, *groups;
};

std::optional<at::Tensor> constant_tensor(const Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isTensor() || !constant->toTensor().defined())
    return std::nullopt;
  return constant->toTensor();
}

/// A plain two-dimensional convolution with constant weights.
std::optional<Convolution> as_convolution(Node* node) {
  const std::string kind = node->kind().toQualString();
  Convolution c;
  c.node = node;
  if (kind == "aten::conv2d") {
    c.groups = node->input(6);
  } else if (kind == "aten::_convolution" || kind == "aten::convolution") {
    const auto transposed = torch::jit::toIValue(node->input(6));
    if (!transposed || transposed->toBool()) return std::nullopt;
    c.groups = node->input(8);
  } else {
    return std::nullopt;
  }
  c.input = node->input(0);
  c.weight = node->input(1);
  c.bias = node->input(2);
  c.stride = node->input(3);
  c.padding = node->input(4);
  c.dilation = node->input(5);
  const auto weight = constant_tensor(c.weight);
  if (!weight || weight->dim() != 4) return std::nullopt;
  if (!torch::jit::toIValue(c.bias)) return std::nullopt;
  for (const Value* list : {c.stride, c.padding, c.dilation}) {
    const auto constant = torch::jit::toIValue(list);
    if (!constant || !constant->isIntList()) return std::nullopt;
  }
  return constant_int(c.groups) ? std::optional(c) : std::nullopt;
}

/// An activation as oneDNN's post-operation.
struct Activation {
  std::string name = "none";
  std::vector<double> scalars;
  std::string algorithm;
};

std::optional<Activation> with_scalars(const char* name, const Node* node,
                                       size_t count) {
  Activation out{name, {}, ""};
  for (size_t i = 1; i <= count; ++i) {
    const auto number = constant_number(node->input(i));
    if (!number) return std::nullopt;
    out.scalars.push_back(*number);
  }
  return out;
}

std::optional<Activation> as_activation(const Node* node) {
  const std::string kind = node->kind().toQualString();
  if (kind == "aten::relu") return Activation{"relu", {}, ""};
  if (kind == "aten::relu6") return Activation{"hardtanh", {0, 6}, ""};
  if (kind == "aten::hardtanh" || kind == "aten::clamp")
    return with_scalars("hardtanh", node, 2);
  if (kind == "aten::silu") return Activation{"swish", {}, ""};
  if (kind == "aten::hardswish") return Activation{"hardswish", {}, ""};
  if (kind == "aten::sigmoid") return Activation{"sigmoid", {}, ""};
  if (kind == "aten::leaky_relu") return with_scalars("leaky_relu", node, 1);
  if (kind == "aten::gelu") {
    const auto how = torch::jit::toIValue(node->input(1));
    if (how && how->isString())
      return Activation{"gelu", {}, how->toStringRef()};
  }
  return std::nullopt;
}

/// Left, right, top, bottom of a padding with zeros; else nothing.
std::vector<int64_t> zero_padding(const Node* node) {
  const std::string kind = node->kind().toQualString();
  const bool general = kind == "aten::pad";
  if (!general && kind != "aten::constant_pad_nd") return {};
  if (general) {
    const auto mode = torch::jit::toIValue(node->input(2));
    if (!mode || !mode->isString() || mode->toStringRef() != "constant")
      return {};
  }
  const Value* filling = node->input(general ? 3 : 2);
  const auto value = torch::jit::toIValue(filling);
  const auto sides = torch::jit::toIValue(node->input(1));
  if (!value || !sides || !sides->isIntList()) return {};
  if (!value->isNone() && constant_number(filling) != 0.0) return {};
  return sides->toIntVector();
}

class Fusion {
 public:
  Fusion(Graph& graph, Sizes sizes, at::ScalarType dtype)
      : graph_(graph), sizes_(std::move(sizes)), dtype_(dtype) {}

  std::vector<torch::Tensor> run() {
    // The list is fixed first: fusing adds nodes. The arguments are read last:
    // fusing one convolution changes what the next one takes.
    std::vector<Node*> found;
    for (Node* node : graph_.nodes())
      if (as_convolution(node)) found.push_back(node);
    for (Node* node : found) fuse(*as_convolution(node));
    return std::move(weights_);
  }

 private:
  void fuse(Convolution c) {
    take_in_padding(c);
    Node* last = c.node;
    Value* shortcut = nullptr;
    if (Node* add = only_user(last->output()))
      if (Value* other = added(add, last->output())) {
        shortcut = other;
        last = add;
      }
    Activation activation;
    if (Node* next = only_user(last->output()))
      if (next->owningBlock() == last->owningBlock())
        if (const auto known = as_activation(next))
          // With a shortcut oneDNN takes ReLU alone.
          if (!shortcut || known->name == "relu") {
            activation = *known;
            last = next;
          }
    replace(c, shortcut, activation, last);
  }

  /// Zeros that are put around the input, the same on both sides, are what a
  /// convolution's own padding is.
  void take_in_padding(Convolution& c) {
    const Node* pad = c.input->node();
    if (!only_user(c.input) || pad->owningBlock() != graph_.block()) return;
    const auto sides = zero_padding(pad);
    if (sides.size() != 4 || sides[0] != sides[1] || sides[2] != sides[3] ||
        sides[0] < 0 || sides[2] < 0)
      return;
    auto own = torch::jit::toIValue(c.padding)->toIntVector();
    if (own.size() == 1) own.push_back(own[0]);
    torch::jit::WithInsertPoint guard(c.node);
    c.padding = graph_.insertConstant(
        std::vector<int64_t>{own[0] + sides[2], own[1] + sides[0]});
    c.input = pad->input(0);
  }

  /// The other operand, when `node` adds two tensors of one shape.
  Value* added(Node* node, const Value* one) const {
    if (node->kind() != aten::add || node->owningBlock() != graph_.block() ||
        constant_number(node->input(2)) != 1.0)
      return nullptr;
    Value* other = node->input(0) == one ? node->input(1) : node->input(0);
    const auto a = sizes_.find(one), b = sizes_.find(other);
    return other != one && a != sizes_.end() && b != sizes_.end() &&
                   a->second == b->second
               ? other
               : nullptr;
  }

  void replace(const Convolution& c, Value* shortcut,
               const Activation& activation, Node* last) {
    torch::jit::WithInsertPoint guard(last);
    Value* weight = laid_out(c);
    std::vector<Value*> inputs{c.input,  weight,     c.bias,  c.padding,
                               c.stride, c.dilation, c.groups};
    if (shortcut) inputs.insert(inputs.begin() + 1, shortcut);
    Value* none = graph_.insertConstant(c10::IValue());
    if (shortcut) {
      inputs.push_back(graph_.insertConstant(std::string("add")));
      inputs.push_back(graph_.insertConstant(1.0));
      inputs.push_back(activation.name == "none"
                           ? none
                           : graph_.insertConstant(activation.name));
    } else {
      inputs.push_back(graph_.insertConstant(activation.name));
    }
    inputs.push_back(scalars(activation));
    inputs.push_back(activation.algorithm.empty()
                         ? none
                         : graph_.insertConstant(activation.algorithm));
    Node* fused = graph_.insertNode(graph_.create(
        c10::Symbol::fromQualString("mkldnn::_convolution_pointwise"), inputs));
    fused->output()->setType(c10::TensorType::get());
    sizes_[fused->output()] = sizes_[last->output()];
    last->output()->replaceAllUsesWith(fused->output());
  }

  Value* scalars(const Activation& activation) {
    std::vector<Value*> values;
    for (const double s : activation.scalars)
      values.push_back(graph_.insertConstant(s));
    return graph_
        .insertNode(graph_.createList(
            c10::OptionalType::create(c10::NumberType::get()), values))
        ->output();
  }

  /// The weight in oneDNN's own layout, as a new input of the graph.
  Value* laid_out(const Convolution& c) {
    const auto list = [](const Value* value) {
      return torch::jit::toIValue(value)->toIntVector();
    };
    const auto reorder = operation("mkldnn::_reorder_convolution_weight");
    torch::Tensor weight =
        constant_tensor(c.weight)->detach().to(dtype_).contiguous(
            at::MemoryFormat::ChannelsLast);
    const auto size = sizes_.find(c.input);
    if (reorder && size != sizes_.end()) {
      torch::jit::Stack stack{
          weight,           list(c.padding),         list(c.stride),
          list(c.dilation), *constant_int(c.groups), size->second};
      stack.resize(reorder->schema().arguments().size());
      reorder->callBoxed(stack);
      weight = stack.at(0).toTensor();
    }
    weights_.push_back(weight);
    Value* input = graph_.addInput();
    input->setType(c10::TensorType::get());
    return input;
  }

  Graph& graph_;
  Sizes sizes_;
  at::ScalarType dtype_;
  std::vector<torch::Tensor> weights_;
};

}  // namespace

std::vector<torch::Tensor> fuse_convolutions(std::shared_ptr<Graph>& graph,
                                             int64_t batch, int64_t input_size,
                                             at::ScalarType dtype) {
  if (!operation("mkldnn::_convolution_pointwise") ||
      !operation("mkldnn::_convolution_pointwise", "binary"))
    return {};
  // A fused node computes where its last part stood: nothing may have changed
  // its operands by then.
  torch::jit::RemoveTensorMutation(graph);
  {
    torch::jit::AliasDb aliases(graph);
    for (Node* node : graph->nodes())
      if (aliases.hasWriters(node)) return {};
  }
  Sizes sizes = tensor_sizes({graph, {}}, batch, input_size);
  auto weights = Fusion(*graph, std::move(sizes), dtype).run();
  torch::jit::EliminateDeadCode(graph);
  return weights;
}

}  // namespace engraft
