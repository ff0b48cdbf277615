#include "model/chain_state.h"

#include <algorithm>
#include <unordered_set>

#include "model/normalise.h"

namespace engraft {
namespace {

using torch::jit::Code;

Noise noise_of(BlockMode mode) {
  return mode == BlockMode::training   ? Noise::training
         : mode == BlockMode::sampling ? Noise::sampling
                                       : Noise::statistics;
}

int64_t count_kind(Graph& graph, bool (*is_kind)(const Node*)) {
  int64_t count = 0;
  for_each_node(graph.block(),
                [&](const Node* node) { count += is_kind(node); });
  return count;
}

/// "layer1.0" for layer1.0.conv1.weight, layer1.0.bn1.bias; "conv1-bn1" where
/// nothing is common.
std::string common_name(const std::vector<NamedTensor>& tensors) {
  const auto owner = [](const std::string& name) {
    const auto dot = name.rfind('.');
    return dot == std::string::npos ? name : name.substr(0, dot);
  };
  std::vector<std::string> owners;
  for (const NamedTensor& t : tensors) {
    const std::string path = owner(t.name);
    if (std::find(owners.begin(), owners.end(), path) == owners.end())
      owners.push_back(path);
  }
  if (owners.empty()) return "";
  std::string common = owners[0];
  for (const std::string& path : owners)
    while (!common.empty() && path != common &&
           path.rfind(common + ".", 0) != 0) {
      const auto dot = common.rfind('.');
      common = dot == std::string::npos ? "" : common.substr(0, dot);
    }
  // "features" alone would name every block of many models.
  const bool whole =
      common.find('.') != std::string::npos || owners.size() == 1;
  if (!common.empty() && whole) return common;
  return owners.front() + "-" + owners.back();
}

BlockInfo describe(const BlockGraph& block, const LoweredGraph& lowered) {
  BlockInfo info;
  for (const size_t index : block.tensors) {
    info.tensors.push_back(lowered.tensors[index]);
    if (!lowered.tensors[index].is_buffer)
      info.num_parameters += lowered.tensors[index].tensor.numel();
  }
  info.batch_norms = count_kind(*block.graph, is_batch_norm);
  info.layer_norms = count_kind(*block.graph, is_layer_norm);
  info.dropouts = count_kind(*block.graph, is_dropout);
  info.output_size = block.output_size;
  return info;
}

void check_head(const HeadInfo& head, const torch::Tensor& weight,
                const std::string& path) {
  if (!weight.is_floating_point())
    fail(Fault::model, path, ": the final layer has integer (quantized) ",
         "weights, which cannot be trained; export the float model");
  const bool conv = head.kind == HeadKind::conv;
  if (conv && (weight.dim() != 4 || weight.size(2) != 1 || weight.size(3) != 1))
    fail(Fault::model, path, ": has no final layer that can be replaced: the ",
         "last layer is a convolution of ", weight.sizes(),
         ", and only a 1x1 one classifies");
  if (!conv && weight.dim() != 2)
    fail(Fault::model, path, ": has no final layer that can be replaced: its ",
         "weight has the shape ", weight.sizes());
}

}  // namespace

const BlockChain::State::NoisyCodes& BlockChain::State::noisy(Noise noise) {
  NoisyCodes& out = *noises[static_cast<size_t>(noise)];
  std::call_once(out.making,
                 [&] { make(out, regularisers, regularised_from, noise); });
  return out;
}

void BlockChain::State::make(NoisyCodes& out, const RegulariserOptions& options,
                             int64_t begin, Noise noise) {
  for (const auto& graph :
       noisy_graphs(block_parts(), options, begin, noise, out.report)) {
    out.random.push_back(draws_numbers(*graph));
    out.codes.emplace_back(graph, "block");
  }
}

std::vector<BlockPart> BlockChain::State::block_parts() {
  std::vector<BlockPart> out;
  std::vector<int64_t> size{3, input_size, input_size};
  for (const Block& block : blocks()) {
    out.push_back({block.info.name, block.graph, block.named, size});
    size = block.info.output_size;
  }
  return out;
}

const torch::jit::Code& BlockChain::State::code(int64_t block, BlockMode mode) {
  if (mode == BlockMode::inference) return blocks()[block].inference;
  return noisy(noise_of(mode)).codes[block];
}

void BlockChain::State::describe_head(const std::string& path) {
  if (!lowered.is_tensor_input(head.weight))
    fail(Fault::model, path, ": the final layer's weight is a constant of ",
         "the graph; export the model without freezing it");
  HeadInfo& info = head.info;
  const NamedTensor& weight = lowered.tensor_of(head.weight);
  info.weight = weight.name;
  if (head.bias && lowered.is_tensor_input(head.bias))
    info.bias = lowered.tensor_of(head.bias).name;
  check_head(info, weight.tensor, path);
  info.classes = weight.tensor.size(info.input_major ? 1 : 0);
  info.features = weight.tensor.size(info.input_major ? 0 : 1);
  info.shared = head.weight->uses().size() > 1;
}

void BlockChain::State::add_blocks(const CutGraph& graph) {
  fused_head = graph.fused_head;
  std::unordered_set<std::string> names;
  for (const BlockGraph& part : graph.blocks) {
    Block block;
    block.info = describe(part, lowered);
    block.named = block.info.tensors;
    block.writes_input = part.writes_input;
    for (const NamedTensor& t : block.info.tensors)
      block.tensors.push_back(t.tensor);
    block.graph = part.graph;
    block.inference = Code(part.graph, "block");
    const bool is_head = parts.size() + 1 == graph.blocks.size();
    std::string name = is_head ? "head" : common_name(block.info.tensors);
    if (name.empty()) name = "block" + std::to_string(parts.size());
    while (!names.insert(name).second) name += "'";
    block.info.name = name;
    parts.push_back(std::move(block));
  }
  if (fused_head) split_tail_tensors();
}

void BlockChain::State::split_tail_tensors() {
  BlockInfo& tail = parts[parts.size() - 2].info;
  BlockInfo& last = parts.back().info;
  std::vector<NamedTensor> own;
  for (const NamedTensor& t : last.tensors)
    (t.name == head.info.weight || t.name == head.info.bias ? own
                                                            : tail.tensors)
        .push_back(t);
  last.tensors = own;
  for (const NamedTensor& t : tail.tensors)
    if (!t.is_buffer) tail.num_parameters += t.tensor.numel();
  last.num_parameters -= tail.num_parameters;
  std::swap(tail.batch_norms, last.batch_norms);
  if (!tail.tensors.empty()) tail.name = common_name(tail.tensors);
}

const std::vector<BlockChain::State::Block>& BlockChain::State::blocks() {
  std::call_once(cutting,
                 [&] { add_blocks(engraft::cut(lowered, head, input_size)); });
  return parts;
}

}  // namespace engraft
