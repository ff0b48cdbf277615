#include "model/cut.h"

#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>

#include <unordered_map>
#include <unordered_set>

namespace engraft {
namespace {

namespace aten = torch::jit::aten;
namespace prim = torch::jit::prim;

/// What a value depends on.
enum class Dependence {
  nothing,  ///< constants and parameters: cloned into whichever block uses it
  batch,    ///< also the batch size: likewise, from the block's own input
  image     ///< has to cross the cut
};

/// The top level of a lowered graph with the facts that cutting needs.
class Analysis {
 public:
  Analysis(const LoweredGraph& lowered, int64_t input_size)
      : lowered_(lowered),
        small_(tensor_sizes(lowered, 2, input_size)),
        large_(tensor_sizes(lowered, 3, input_size)) {
    nodes_.assign(lowered.graph->nodes().begin(), lowered.graph->nodes().end());
    position_[image()] = -1;
    for (size_t i = 0; i < nodes_.size(); ++i)
      for (const Value* v : nodes_[i]->outputs())
        position_[v] = static_cast<int64_t>(i);
    classify();
    find_last_uses();
  }

  Value* image() const { return lowered_.graph->inputs()[0]; }
  const std::vector<Node*>& nodes() const { return nodes_; }
  int64_t size() const { return static_cast<int64_t>(nodes_.size()); }

  Dependence dependence(const Value* value) const {
    const auto found = dependence_.find(value);
    return found == dependence_.end() ? Dependence::nothing : found->second;
  }

  /// Has its place between the cuts, instead of being cloned where it is used.
  /// A node without outputs lives by what it writes to.
  bool stays_in_order(const Node* node) const {
    bool stays = node->outputs().empty();
    for (const Value* output : node->outputs())
      stays |= dependence(output) == Dependence::image;
    return stays;
  }

  /// x.size(0) of an activation whose first dimension is the batch.
  bool is_batch_size(const Node* node) const {
    return node->kind() == aten::size && node->inputs().size() == 2 &&
           constant_int(node->input(1)) == 0 &&
           dependence(node->input(0)) == Dependence::image &&
           leads_with_batch(node->input(0));
  }

  /// -1 for the image; nullopt inside of a sub-block.
  std::optional<int64_t> position(const Value* value) const {
    const auto found = position_.find(value);
    if (found == position_.end()) return std::nullopt;
    return found->second;
  }

  /// The one tensor alive after node `index`, when there is just one and it
  /// leads with the batch, and is not the image itself; else null.
  Value* only_live_after(int64_t index) const {
    if (live_count_[index] != 1) return nullptr;
    Value* value = live_value_[index];
    return value != image() && leads_with_batch(value) ? value : nullptr;
  }

  std::vector<int64_t> size_of(const Value* value) const {
    const auto found = small_.find(value);
    if (found == small_.end() || found->second.empty()) return {};
    return {found->second.begin() + 1, found->second.end()};
  }

 private:
  bool leads_with_batch(const Value* value) const {
    const auto a = small_.find(value), b = large_.find(value);
    return a != small_.end() && b != large_.end() && !a->second.empty() &&
           !b->second.empty() && a->second[0] == 2 && b->second[0] == 3;
  }

  void classify() {
    torch::jit::AliasDb aliases(lowered_.graph);
    dependence_[image()] = Dependence::image;
    for (Node* node : nodes_) {
      Dependence most = Dependence::nothing;
      for_each_input(node, [&](const Value* input) {
        most = std::max(most, dependence(input));
      });
      if (is_batch_size(node)) most = Dependence::batch;
      // Cloning may not repeat an effect or draw other random numbers.
      bool pinned = node->hasSideEffects() || node->isNondeterministic();
      for (const Value* output : node->outputs())
        pinned |= aliases.hasWriters(output);
      if (pinned) most = Dependence::image;
      for (const Value* output : node->outputs()) dependence_[output] = most;
    }
  }

  void find_last_uses() {
    std::unordered_map<Value*, int64_t> last;
    for (int64_t i = 0; i < size(); ++i) {
      // A batch size is taken from the block's own input wherever it is read.
      if (is_batch_size(nodes_[i])) continue;
      for_each_input(nodes_[i], [&](Value* input) {
        if (position_.count(input) && dependence(input) == Dependence::image)
          last[input] = i;
      });
    }
    for (Value* output : lowered_.graph->outputs()) last[output] = size();
    live_count_.assign(size(), 0);
    live_value_.assign(size(), nullptr);
    for (const auto& [value, until] : last)
      for (int64_t i = std::max<int64_t>(position_.at(value), 0); i < until;
           ++i) {
        live_count_[i] += 1;
        live_value_[i] = value;
      }
  }

  const LoweredGraph& lowered_;
  TensorSizes small_, large_;
  std::vector<Node*> nodes_;
  std::unordered_map<const Value*, int64_t> position_;
  std::unordered_map<const Value*, Dependence> dependence_;
  std::vector<int64_t> live_count_;
  std::vector<Value*> live_value_;
};

/// Copies nodes into a graph of their own.
class BlockBuilder {
 public:
  BlockBuilder(const LoweredGraph& lowered, const Analysis& analysis,
               const Value* input)
      : lowered_(lowered), analysis_(analysis) {
    block_.graph = std::make_shared<Graph>();
    activation_ = block_.graph->addInput();
    activation_->setType(c10::TensorType::get());
    map_[input] = activation_;
  }

  void copy(Node* node) {
    Node* clone = block_.graph->appendNode(block_.graph->createClone(
        node, [this](Value* value) { return mapped(value); }));
    for (size_t i = 0; i < node->outputs().size(); ++i)
      map_[node->outputs()[i]] = clone->outputs()[i];
  }

  BlockGraph finish(Value* output) {
    block_.graph->registerOutput(mapped(output));
    torch::jit::AliasDb aliases(block_.graph);
    block_.writes_input = aliases.hasWriters(activation_);
    block_.output_size = analysis_.size_of(output);
    return std::move(block_);
  }

 private:
  Value* mapped(Value* value) {
    const auto known = map_.find(value);
    if (known != map_.end()) return known->second;
    if (lowered_.is_tensor_input(value)) {
      Value* input = block_.graph->addInput();
      input->setType(value->type());
      block_.tensors.push_back(value->offset() - 1);
      return map_[value] = input;
    }
    Node* node = value->node();
    TORCH_INTERNAL_ASSERT(
        analysis_.dependence(value) != Dependence::image,
        "a value that depends on the image is missing in a block: ", *node);
    if (analysis_.is_batch_size(node)) {
      torch::jit::WithInsertPoint guard(block_.graph->block());
      return map_[value] = block_.graph->insert(
                 aten::size, {activation_, static_cast<int64_t>(0)});
    }
    copy(node);
    return map_.at(value);
  }

  const LoweredGraph& lowered_;
  const Analysis& analysis_;
  BlockGraph block_;
  Value* activation_ = nullptr;
  std::unordered_map<const Value*, Value*> map_;
};

/// Nodes (begin, end] between two neighbouring cut points.
struct Step {
  int64_t end = 0;
  int64_t layers = 0;  ///< convolutions and linear layers, the depthwise apart
  bool depthwise = false;
};

bool is_layer_weight(const NamedTensor& tensor) {
  return !tensor.is_buffer && tensor.tensor.dim() >= 2 &&
         tensor.tensor.size(0) > 1;
}

Step measure_step(const LoweredGraph& lowered, const Analysis& analysis,
                  int64_t begin, int64_t end) {
  Step step{end, 0, false};
  for (int64_t i = begin + 1; i <= end; ++i) {
    Node* node = analysis.nodes()[i];
    // Squeeze-and-excitation works on 1x1 maps: part of its block, no layer
    // of the row.
    if (node->outputs().size() == 1) {
      const auto size = analysis.size_of(node->output());
      if (size.size() == 3 && size[1] == 1 && size[2] == 1) continue;
    }
    for_each_input(node, [&](const Value* input) {
      if (!lowered.is_tensor_input(input)) return;
      const NamedTensor& tensor = lowered.tensor_of(input);
      if (!is_layer_weight(tensor)) return;
      const bool depthwise =
          tensor.tensor.dim() == 4 && tensor.tensor.size(1) == 1;
      step.depthwise |= depthwise;
      step.layers += !depthwise;
    });
  }
  return step;
}

/// Ends of the blocks: a step with several layers (a residual or dense block,
/// attention) is a block; in a row of single layers, one is a block, or two
/// where the model has blocks of several (an inverted bottleneck without a
/// shortcut is expand + depthwise + project). Norms, activations and pooling
/// belong to the layer before them.
std::vector<int64_t> group_steps(const std::vector<Step>& steps) {
  bool has_compound = false;
  for (const Step& step : steps) has_compound |= step.layers > 1;
  const int64_t most = has_compound ? 2 : 1;
  std::vector<int64_t> ends;
  int64_t layers = 0;
  bool started = false;
  for (const Step& step : steps) {
    const bool works = step.layers > 0 || step.depthwise;
    const bool full = layers >= most || layers + step.layers > most;
    if (started && works && layers > 0 && full) {
      layers = 0;
    } else if (started) {
      ends.pop_back();
    }
    layers += step.layers;
    if (step.layers > 1) layers = std::max(layers, most);
    ends.push_back(step.end);
    started = true;
  }
  return ends;
}

/// Node after which the head begins: the last cut point before the final layer
/// and the dropouts in front of it; -1 when there is none.
int64_t head_cut(const Analysis& analysis, const HeadNode& head) {
  Value* features = head.node->input(head.features_operand());
  while (is_dropout(features->node())) features = features->node()->input(0);
  const auto position = analysis.position(features);
  for (int64_t i = position.value_or(-1); i >= 0; --i)
    if (analysis.only_live_after(i)) return i;
  return -1;
}

bool has_other_tensors(const BlockGraph& block, const LoweredGraph& lowered,
                       const HeadNode& head) {
  for (const size_t index : block.tensors) {
    const Value* input = lowered.graph->inputs()[index + 1];
    if (input != head.weight && input != head.bias &&
        !lowered.tensors[index].is_buffer)
      return true;
  }
  return false;
}

BlockGraph identity_block(const std::vector<int64_t>& size) {
  BlockGraph block;
  block.graph = std::make_shared<Graph>();
  Value* input = block.graph->addInput();
  input->setType(c10::TensorType::get());
  block.graph->registerOutput(input);
  block.output_size = size;
  return block;
}

}  // namespace

std::vector<torch::Tensor> run_graph(const torch::jit::Code& code,
                                     const torch::Tensor& first,
                                     const std::vector<torch::Tensor>& rest) {
  torch::jit::Stack stack;
  stack.reserve(rest.size() + 1);
  stack.emplace_back(first);
  for (const torch::Tensor& tensor : rest) stack.emplace_back(tensor);
  torch::jit::InterpreterState(code).run(stack);
  std::vector<torch::Tensor> out;
  for (const c10::IValue& value : stack) out.push_back(value.toTensor());
  return out;
}

TensorSizes tensor_sizes(const LoweredGraph& lowered, int64_t batch,
                         int64_t input_size) {
  std::vector<torch::Tensor> tensors;
  for (const NamedTensor& t : lowered.tensors) tensors.push_back(t.tensor);
  const auto device =
      tensors.empty() ? torch::Device(torch::kCPU) : tensors[0].device();
  return tensor_sizes(
      lowered.graph,
      torch::zeros({batch, 3, input_size, input_size}).to(device), tensors);
}

TensorSizes tensor_sizes(const std::shared_ptr<Graph>& graph,
                         const torch::Tensor& first,
                         const std::vector<torch::Tensor>& rest) {
  auto copy = graph->copy();
  return_only(*copy, copy->outputs()[0]);
  std::vector<const Value*> measured;
  auto theirs = copy->nodes().begin();
  std::vector<Value*> sizes;
  const auto measure = [&](const Value* original, Value* value) {
    measured.push_back(original);
    sizes.push_back(copy->insert(aten::size, {value}));
  };
  {
    torch::jit::WithInsertPoint guard(*copy->nodes().begin());
    measure(graph->inputs()[0], copy->inputs()[0]);
  }
  for (Node* node : graph->nodes()) {
    Node* twin = *theirs++;
    torch::jit::WithInsertPoint guard(twin->next());
    for (size_t i = 0; i < node->outputs().size(); ++i)
      if (node->outputs()[i]->type()->isSubtypeOf(*c10::TensorType::get()))
        measure(node->outputs()[i], twin->outputs()[i]);
  }
  copy->eraseOutput(0);
  for (Value* size : sizes) copy->registerOutput(size);

  torch::NoGradGuard no_grad;
  torch::jit::Stack stack{first};
  for (const torch::Tensor& tensor : rest) stack.emplace_back(tensor);
  const torch::jit::Code code(copy, "sizes");
  torch::jit::InterpreterState(code).run(stack);
  TensorSizes out;
  for (size_t i = 0; i < measured.size(); ++i)
    out[measured[i]] = stack.at(i).toIntVector();
  return out;
}

CutGraph cut(const LoweredGraph& lowered, const HeadNode& head,
             int64_t input_size) {
  const Analysis analysis(lowered, input_size);
  const int64_t last = head_cut(analysis, head);
  std::vector<Step> steps;
  int64_t begin = -1;
  for (int64_t i = 0; i <= last; ++i) {
    if (!analysis.only_live_after(i)) continue;
    steps.push_back(measure_step(lowered, analysis, begin, i));
    begin = i;
  }
  CutGraph out;
  Value* input = analysis.image();
  begin = -1;
  const auto build = [&](int64_t end, Value* output) {
    BlockBuilder builder(lowered, analysis, input);
    for (int64_t i = begin + 1; i <= end; ++i) {
      Node* node = analysis.nodes()[i];
      if (analysis.stays_in_order(node)) builder.copy(node);
    }
    out.blocks.push_back(builder.finish(output));
    begin = end;
    input = output;
  };
  for (const int64_t end : group_steps(steps))
    build(end, analysis.only_live_after(end));
  const auto features = analysis.size_of(input);
  build(analysis.size() - 1, lowered.graph->outputs()[0]);
  if (has_other_tensors(out.blocks.back(), lowered, head) ||
      out.blocks.size() == 1) {
    out.fused_head = true;
    out.blocks.insert(out.blocks.end() - 1, identity_block(features));
  }
  return out;
}

}  // namespace engraft
