#include "model/training_graph.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "model/differentiable.h"
#include "model/head.h"
#include "model/layer.h"
#include "model/norm_activation.h"
#include "model/random_layers.h"
#include "model/residual.h"

namespace engraft {
namespace {

namespace aten = torch::jit::aten;

bool is_attention(const Node* node) {
  static const auto kind =
      c10::Symbol::fromQualString("aten::scaled_dot_product_attention");
  return node->kind() == kind && node->inputs().size() > 4;
}

/// The one number that a dropout or an attention drops with.
size_t probability_operand(const Node* node) {
  return is_attention(node) ? 4 : 1;
}

template <typename T>
void set_constant(Node* node, size_t operand, T value) {
  torch::jit::WithInsertPoint guard(node);
  node->replaceInput(operand, node->owningGraph()->insertConstant(value));
}

Value* dropped(Node* before, Value* value, double p) {
  torch::jit::WithInsertPoint guard(before);
  return before->owningGraph()->insert(aten::dropout, {value, p, true});
}

std::optional<std::vector<int64_t>> constant_ints(const Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isIntList()) return std::nullopt;
  return constant->toIntVector();
}

/// max_pool2d(x, kernel, stride, padding, dilation, ceil_mode) that leaves out
/// rows and columns, and skips none.
bool shrinks(const Node* node) {
  if (node->kind() != aten::max_pool2d) return false;
  auto stride = constant_ints(node->input(2));
  if (stride && stride->empty()) stride = constant_ints(node->input(1));
  const auto dilation = constant_ints(node->input(4));
  const auto all = [](const auto& numbers, const auto& good) {
    return numbers && std::all_of(numbers->begin(), numbers->end(), good);
  };
  return all(stride, [](int64_t s) { return s >= 2; }) &&
         all(dilation, [](int64_t d) { return d == 1; });
}

bool keeps_features(const Node* node) {
  return node->kind() == aten::flatten || node->kind() == aten::view ||
         node->kind() == aten::reshape || node->kind() == aten::squeeze;
}

/// What --drop-connect-on chooses.
class LayerNames {
 public:
  explicit LayerNames(const std::string& text) {
    // With a comma more the last name counts even if it is empty.
    std::istringstream in(text + ",");
    for (std::string name; std::getline(in, name, ',');) names_.insert(name);
  }
  /// weight  its name, that of the layer and more; "" is never taken
  bool take(const std::string& weight) {
    if (weight.empty()) return false;
    bool found = false;
    for (const std::string& name : names_)
      if (name == "all" || weight == name || weight.starts_with(name + ".")) {
        taken_.insert(name);
        found = true;
      }
    return found;
  }
  /// A name that took nothing.
  std::optional<std::string> missing() const {
    for (const std::string& name : names_)
      if (!taken_.contains(name)) return name;
    return std::nullopt;
  }

 private:
  std::set<std::string> names_, taken_;
};

/// Rewrites the graphs of one chain.
class Rewriting {
 public:
  Rewriting(const std::vector<BlockPart>& parts,
            const RegulariserOptions& options, int64_t begin, Noise noise,
            RegulariserReport& report)
      : parts_(parts),
        options_(options),
        begin_(static_cast<size_t>(begin)),
        noise_(noise),
        report_(report) {
    for (const BlockPart& part : parts) {
      graphs_.push_back(part.graph->copy());
      make_differentiable(graphs_.back());
    }
  }

  std::vector<std::shared_ptr<Graph>> run() {
    if (training() && options_.stochastic_depth > 0) skip_branches();
    for (size_t i = 0; i < parts_.size(); ++i) {
      set_modes(i);
      if (options_.fractional_pooling && i >= begin_) randomise_pools(i);
    }
    const double p = options_.head_dropout;
    // The head is found before random weights hide its own.
    if (p > 0) drop_features(p);
    if (options_.drop_connect > 0) drop_connect();
    for (const auto& graph : graphs_) fuse_norm_activations(graph);
    return std::move(graphs_);
  }

 private:
  bool training() const { return noise_ != Noise::sampling; }

  template <typename... Text>
  void changed(int64_t& count, const Text&... text) {
    std::ostringstream line;
    (line << ... << text);
    report_.changes.push_back(line.str());
    count += 1;
  }

  TensorSizes sizes(size_t i, int64_t batch) const {
    std::vector<torch::Tensor> tensors;
    for (const NamedTensor& t : parts_[i].tensors) tensors.push_back(t.tensor);
    std::vector<int64_t> input = parts_[i].input_size;
    input.insert(input.begin(), batch);
    const auto device =
        tensors.empty() ? torch::Device(torch::kCPU) : tensors[0].device();
    return tensor_sizes(graphs_[i], torch::zeros(input).to(device), tensors);
  }

  /// A branch of the whole chain.
  struct Place {
    size_t block;
    ResidualBranch branch;
  };

  void skip_branches() {
    std::vector<Place> places;
    for (size_t i = 0; i < graphs_.size(); ++i)
      for (const ResidualBranch& branch :
           residual_branches(*graphs_[i], sizes(i, 2), sizes(i, 3)))
        places.push_back({i, branch});
    for (size_t l = 0; l < places.size(); ++l) {
      if (places[l].block < begin_) continue;
      const double p = options_.stochastic_depth * static_cast<double>(l + 1) /
                       static_cast<double>(places.size());
      skip(places[l].branch, p);
      changed(report_.residual_branches, "stochastic depth ", p, ": ",
              parts_[places[l].block].name);
    }
  }

  static void skip(const ResidualBranch& branch, double p) {
    Node* add = branch.add;
    Graph& graph = *add->owningGraph();
    torch::jit::WithInsertPoint guard(add);
    Value* given = add->input(branch.operand);
    Value* factor = graph.insert(survival_kind(), {given, p, branch.batch_dim});
    // What is added to in place has to stay the tensor that it is.
    const bool in_place = add->kind() == aten::add_ && branch.operand == 0;
    add->replaceInput(
        branch.operand,
        graph.insert(in_place ? aten::mul_ : aten::mul, {given, factor}));
  }

  void set_modes(size_t i) {
    for_each_node(graphs_[i]->block(), [&](Node* node) {
      if (is_batch_norm(node)) {
        if (training()) set_batch_norm(node, i);
        return;
      }
      if (is_dropout(node)) set_constant(node, 2, true);
      const bool drops =
          is_dropout(node) ||
          (is_attention(node) && torch::jit::toIValue(node->input(4)));
      if (!drops || !options_.dropout || i < begin_) return;
      set_constant(node, probability_operand(node), *options_.dropout);
      changed(report_.dropouts, "dropout ", *options_.dropout, ": ",
              parts_[i].name);
    });
  }

  void set_batch_norm(Node* node, size_t i) {
    const bool running = options_.bn_statistics == BatchNormStatistics::running;
    const bool replaces =
        noise_ == Noise::statistics && moves_statistics(node, options_);
    if (!running) set_constant(node, 5, true);
    if (options_.bn_momentum) set_constant(node, 6, *options_.bn_momentum);
    if (replaces) set_constant(node, 6, 1.0);
    if (i < begin_) return;
    if (running)
      changed(report_.batch_norms,
              "batch norm on running statistics: ", parts_[i].name);
    else if (options_.bn_momentum)
      changed(report_.batch_norms, "batch norm momentum ",
              *options_.bn_momentum, ": ", parts_[i].name);
  }

  void randomise_pools(size_t i) {
    for_each_node(graphs_[i]->block(), [&](Node* node) {
      if (!shrinks(node)) return;
      torch::jit::WithInsertPoint guard(node);
      std::vector<torch::jit::NamedValue> inputs;
      for (const size_t operand : {0, 1, 2, 3, 5})
        inputs.emplace_back(node->input(operand));
      node->output()->replaceAllUsesWith(
          graphs_[i]->insert(fractional_max_pool2d_kind(), inputs));
      node->destroy();
      changed(report_.pools, "fractional pooling: ", parts_[i].name);
    });
  }

  HeadNode head() const {
    return find_head(graphs_.back()->outputs()[0], "the training graph");
  }

  void drop_features(double p) {
    const HeadNode layer = head();
    const size_t operand = layer.features_operand();
    Value* value = layer.node->input(operand);
    while (keeps_features(value->node())) value = value->node()->input(0);
    if (is_dropout(value->node()))
      set_constant(value->node(), probability_operand(value->node()), p);
    else
      layer.node->replaceInput(
          operand, dropped(layer.node, layer.node->input(operand), p));
    changed(report_.head_dropouts, "dropout ", p,
            " before the final layer: ", parts_.back().name);
  }

  void drop_connect() {
    if (options_.drop_connect_on == "head")
      return drop_weights(head().node, parts_.size() - 1);
    LayerNames chosen(options_.drop_connect_on);
    std::string last;
    for (size_t i = begin_; i < graphs_.size(); ++i)
      for_each_node(graphs_[i]->block(), [&](Node* node) {
        const std::string name = weight_name(node, i);
        if (!name.empty()) last = name;
        if (chosen.take(name)) drop_weights(node, i);
      });
    if (const auto missing = chosen.missing())
      fail(Fault::usage, "--drop-connect-on '", *missing,
           "': no linear or convolution layer that is trained has that name or "
           "is in what has it; the last one is ",
           last);
  }

  /// Of the weight of a layer, as the model has it; "" for what has none.
  std::string weight_name(Node* node, size_t i) const {
    const auto operand = weight_operand(node);
    if (!operand) return "";
    const size_t input = weight_input(node->input(*operand))->offset();
    return parts_[i].tensors.at(input - 1).name;
  }

  void drop_weights(Node* node, size_t i) {
    const auto operand = weight_operand(node);
    if (!operand) return;
    const std::string name = weight_name(node, i);
    Value* weight = node->input(*operand);
    node->replaceInput(*operand, dropped(node, weight, options_.drop_connect));
    changed(report_.drop_connects, "DropConnect ", options_.drop_connect, ": ",
            name);
  }

  const std::vector<BlockPart>& parts_;
  const RegulariserOptions& options_;
  const size_t begin_;
  const Noise noise_;
  RegulariserReport& report_;
  std::vector<std::shared_ptr<Graph>> graphs_;
};

}  // namespace

std::vector<std::shared_ptr<Graph>> noisy_graphs(
    const std::vector<BlockPart>& parts, const RegulariserOptions& options,
    int64_t begin, Noise noise, RegulariserReport& report) {
  return Rewriting(parts, options, begin, noise, report).run();
}

double statistics_momentum(const Node* batch_norm,
                           const RegulariserOptions& options) {
  constexpr double kDefault = 0.1;
  if (options.bn_statistics == BatchNormStatistics::running) return 0;
  if (options.bn_momentum) return *options.bn_momentum;
  return constant_number(batch_norm->input(6)).value_or(kDefault);
}

bool moves_statistics(const Node* batch_norm,
                      const RegulariserOptions& options) {
  return statistics_momentum(batch_norm, options) != 0;
}

bool draws_numbers(Graph& graph) {
  bool found = false;
  for_each_node(graph.block(), [&](Node* node) {
    if (is_dropout(node) || is_attention(node))
      found |= constant_number(node->input(probability_operand(node))) != 0.0;
    found |= node->kind() == survival_kind() ||
             node->kind() == fractional_max_pool2d_kind();
  });
  return found;
}

}  // namespace engraft
