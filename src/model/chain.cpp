#include "engraft/model/chain.h"

#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <unordered_set>

#include "data/content_hash.h"
#include "engraft/model/ensemble.h"
#include "engraft/threads.h"
#include "model/block_graphs.h"
#include "model/cut.h"
#include "model/head.h"
#include "model/normalise.h"
#include "model/taps.h"
#include "model/training_graph.h"

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

/// The compiler's constants take no tensor that requires grad.
Value* insert_constant(Graph& graph, const torch::Tensor& tensor) {
  return graph.insertConstant(tensor.detach());
}

/// The whole model with its tensors as constants.
std::shared_ptr<Graph> closed_graph(const LoweredGraph& lowered) {
  auto graph = lowered.graph->copy();
  torch::jit::WithInsertPoint guard(*graph->nodes().begin());
  for (size_t i = lowered.tensors.size(); i > 0; --i) {
    graph->inputs()[i]->replaceAllUsesWith(
        insert_constant(*graph, lowered.tensors[i - 1].tensor));
    graph->eraseInput(i);
  }
  return graph;
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

struct BlockChain::State {
  struct Block {
    BlockInfo info;
    std::vector<torch::Tensor> tensors;  ///< in the order of the graph's inputs
    std::vector<NamedTensor> named;      ///< the same
    bool writes_input = false;
    std::shared_ptr<Graph> graph;  ///< what `inference` runs
    Code inference;
  };

  /// Graphs with noise, made when first asked for.
  struct NoisyCodes {
    std::once_flag making;
    std::vector<Code> codes;
    std::vector<bool> random;  ///< blocks that draw numbers
    RegulariserReport report;
  };

  LoweredGraph lowered;
  HeadNode head;
  torch::jit::Module module;
  std::vector<torch::Tensor> whole_tensors;
  torch::Device device = torch::kCPU;
  int64_t input_size = 0;
  // Made when first asked for: who predicts needs neither.
  std::once_flag cutting;
  std::vector<Block> parts;  ///< the head last
  bool fused_head = false;
  RegulariserOptions regularisers;
  int64_t regularised_from = 0;
  std::array<std::unique_ptr<NoisyCodes>, 3> noises =
      no_noises();  ///< by Noise

  static std::array<std::unique_ptr<NoisyCodes>, 3> no_noises() {
    return {std::make_unique<NoisyCodes>(), std::make_unique<NoisyCodes>(),
            std::make_unique<NoisyCodes>()};
  }

  const std::vector<Block>& blocks() {
    std::call_once(
        cutting, [&] { add_blocks(engraft::cut(lowered, head, input_size)); });
    return parts;
  }

  const NoisyCodes& noisy(Noise noise) {
    NoisyCodes& out = *noises[static_cast<size_t>(noise)];
    std::call_once(out.making,
                   [&] { make(out, regularisers, regularised_from, noise); });
    return out;
  }

  void make(NoisyCodes& out, const RegulariserOptions& options, int64_t begin,
            Noise noise) {
    for (const auto& graph :
         noisy_graphs(block_parts(), options, begin, noise, out.report)) {
      out.random.push_back(draws_numbers(*graph));
      out.codes.emplace_back(graph, "block");
    }
  }

  std::vector<BlockPart> block_parts() {
    std::vector<BlockPart> out;
    std::vector<int64_t> size{3, input_size, input_size};
    for (const Block& block : blocks()) {
      out.push_back({block.info.name, block.graph, block.named, size});
      size = block.info.output_size;
    }
    return out;
  }

  const Code& code(int64_t block, BlockMode mode) {
    if (mode == BlockMode::inference) return blocks()[block].inference;
    return noisy(noise_of(mode)).codes[block];
  }

  /// Names and sizes of the final layer.
  void describe_head(const std::string& path) {
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

  void add_blocks(const CutGraph& graph) {
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

  /// The head block computes the tail of the backbone too: the tail's tensors
  /// are listed under the last backbone block.
  void split_tail_tensors() {
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
};

BlockChain::BlockChain(const Classifier& classifier)
    : state_(std::make_unique<State>()) {
  if (is_ensemble(classifier))
    fail(Fault::model, classifier.path, ": an ensemble of ",
         member_names(classifier).size(), " models, without a final layer of ",
         "its own: start from the file of one of its members");
  State& s = *state_;
  s.module = classifier.module;
  s.input_size = classifier.input.crop;
  s.lowered = lowering_of(classifier);
  const Output output = resolve_output(*s.lowered.graph, classifier.path);
  s.head = find_head(output.logits, classifier.path);
  s.describe_head(classifier.path);
  for (const NamedTensor& t : s.lowered.tensors)
    s.whole_tensors.push_back(t.tensor);
  if (!s.whole_tensors.empty()) s.device = s.whole_tensors[0].device();
}

BlockChain::~BlockChain() = default;
BlockChain::BlockChain(BlockChain&&) noexcept = default;
BlockChain& BlockChain::operator=(BlockChain&&) noexcept = default;

int64_t BlockChain::num_blocks() const {
  return static_cast<int64_t>(state_->blocks().size()) - 1;
}

const BlockInfo& BlockChain::block(int64_t index) const {
  return state_->blocks().at(index).info;
}

const HeadInfo& BlockChain::head() const { return state_->head.info; }

bool BlockChain::fused_head() const {
  state_->blocks();
  return state_->fused_head;
}

torch::Tensor BlockChain::run(const torch::Tensor& x, int64_t begin,
                              int64_t end, BlockMode mode) const {
  TORCH_CHECK(0 <= begin && begin <= end && end <= num_blocks() + 1, "blocks [",
              begin, ", ", end, ") of ", num_blocks() + 1);
  torch::Tensor out = begin == 0 ? x.to(state_->device) : x;
  if (begin == 0 && out.dim() == 4)
    out = out.contiguous(at::MemoryFormat::ChannelsLast);
  for (int64_t i = begin; i < end; ++i) {
    const State::Block& block = state_->blocks()[i];
    // With the tail of the backbone in the head block, a run of the head alone
    // is a run with that tail frozen.
    const bool frozen_tail = state_->fused_head && begin == num_blocks();
    const bool frozen = mode != BlockMode::sampling && frozen_tail;
    if (i == begin && block.writes_input && out.is_same(x)) out = out.clone();
    const Code& code = state_->code(i, frozen ? BlockMode::inference : mode);
    out = run_graph(code, out, block.tensors).at(0);
  }
  return out;
}

torch::Tensor BlockChain::run_frozen(const torch::Tensor& x, int64_t begin,
                                     int64_t end) const {
  // Four pictures at a time stay in a CPU's cache: 1.2 to 1.3 times as fast as
  // sixteen (MobileNetV2, two cores).
  constexpr int64_t kPictures = 4;
  torch::NoGradGuard no_grad;
  if (begin == end || x.size(0) <= kPictures || state_->device.is_cuda())
    return run(x, begin, end);
  std::vector<torch::Tensor> parts = x.split(kPictures);
  compute_apart(std::ssize(parts), [&](int64_t i) {
    torch::NoGradGuard no_grad;  // is a thread's own
    parts[i] = run(parts[i], begin, end);
  });
  return torch::cat(parts);
}

torch::Tensor BlockChain::logits(const torch::Tensor& images) const {
  return run_frozen(images, 0, num_blocks() + 1);
}

RegulariserReport BlockChain::regularise(const RegulariserOptions& options,
                                         int64_t begin) {
  options.validate();
  State& s = *state_;
  if (options.any() && begin == num_blocks() && s.fused_head)
    fail(Fault::usage,
         "the model's final layer cannot be cut from the layers before it, "
         "which are frozen, so that no regulariser of the head can act: train "
         "blocks too, by --freeze-until with a number below ",
         num_blocks());
  auto noises = State::no_noises();
  State::NoisyCodes& training = *noises[static_cast<size_t>(Noise::training)];
  if (options.any()) {
    std::call_once(training.making,
                   [&] { s.make(training, options, begin, Noise::training); });
    check_found(options, training.report, begin);
  }
  s.regularisers = options;
  s.regularised_from = begin;
  s.noises = std::move(noises);
  return training.report;
}

std::vector<torch::Tensor> BlockChain::running_statistics(int64_t begin) const {
  const RegulariserOptions& options = state_->regularisers;
  const std::vector<State::Block>& blocks = state_->blocks();
  std::vector<torch::Tensor> out;
  std::unordered_set<const void*> seen;
  // The tail of the backbone in a head block is frozen with it: see run.
  if (state_->fused_head && begin == num_blocks()) return out;
  for (size_t i = static_cast<size_t>(begin); i < blocks.size(); ++i)
    for_each_node(blocks[i].graph->block(), [&](Node* node) {
      if (!is_batch_norm(node) || !moves_statistics(node, options)) return;
      for (const size_t operand : {3, 4})
        if (const Value* value = node->input(operand);
            value->node() == blocks[i].graph->param_node()) {
          const torch::Tensor& t = blocks[i].tensors.at(value->offset() - 1);
          if (seen.insert(t.unsafeGetTensorImpl()).second) out.push_back(t);
        }
    });
  return out;
}

int64_t BlockChain::first_random(int64_t begin) const {
  const std::vector<bool>& random = state_->noisy(Noise::sampling).random;
  const auto found = std::find(random.begin() + begin, random.end(), true);
  if (found == random.end())
    fail(Fault::usage, "nothing in the model is random",
         begin > 0 ? " from block " + std::to_string(begin) + " on" : "",
         ": it has no dropout", begin > 0 ? " there" : "",
         "; --head-dropout, --drop-connect and --fractional-pooling give it ",
         "something to sample");
  return found - random.begin();
}

torch::Tensor BlockChain::sample_logits(const torch::Tensor& x, int64_t samples,
                                        int64_t begin) const {
  if (samples < 1)
    fail(Fault::usage, "samples: ", samples, " is less than one");
  const int64_t end = num_blocks() + 1, first = first_random(begin);
  torch::NoGradGuard no_grad;
  const torch::Tensor features = run_frozen(x, begin, first);
  std::vector<torch::Tensor> out;
  for (int64_t i = 0; i < samples; ++i)
    out.push_back(run(features, first, end, BlockMode::sampling));
  return torch::stack(out);
}

int64_t BlockChain::find_block(const std::string& name) const {
  if (name == "all") return num_blocks();
  if (name == "none") return 0;
  if (!name.empty() && name.size() < 10 &&
      name.find_first_not_of("0123456789") == std::string::npos) {
    const int64_t index = std::stoll(name);
    if (index <= num_blocks()) return index;
  }
  for (int64_t i = 0; i < num_blocks(); ++i) {
    if (block(i).name == name) return i;
    for (const NamedTensor& t : block(i).tensors)
      if (t.name.rfind(name + ".", 0) == 0) return i;
  }
  fail(Fault::usage, "--freeze-until ", name, ": there is no such block; give ",
       "all, none, auto, a number from 0 to ", num_blocks(),
       ", or a name that `engraft inspect` lists, such as ", block(0).name);
}

std::string BlockChain::fingerprint(int64_t end) const {
  std::string text = prefix_graph(*this, end)->toString(false);
  for (int64_t i = 0; i < end; ++i)
    for (const torch::Tensor& tensor : state_->blocks()[i].tensors) {
      const auto bytes = tensor.detach().cpu().contiguous();
      text += content_hash(
                  std::string_view(static_cast<const char*>(bytes.data_ptr()),
                                   bytes.nbytes()))
                  .hex();
    }
  return content_hash(text).hex();
}

void BlockChain::to(torch::Device device) {
  state_->module.to(device);
  state_->device = device;
}

torch::Device BlockChain::device() const { return state_->device; }

struct BatchNormProbe::State {
  const BlockChain::State* chain = nullptr;
  std::vector<BatchNormMoments> norms;  ///< without what is seen
  Code code;
};

BatchNormProbe::BatchNormProbe(const BlockChain& chain, double max_depth)
    : state_(std::make_unique<State>()) {
  state_->chain = chain.state_.get();
  const auto& tensors = chain.state_->lowered.tensors;
  auto graph = chain.state_->lowered.graph->copy();
  const auto is_input = [&](const Value* value) {
    return value->node() == graph->param_node();
  };
  std::vector<Node*> norms;
  for (Node* node : graph->nodes())
    if (is_batch_norm(node) && is_input(node->input(3)) &&
        is_input(node->input(4)))
      norms.push_back(node);
  graph->eraseOutput(0);
  for (size_t i = 0; i < norms.size(); ++i) {
    const double depth =
        static_cast<double>(i) / static_cast<double>(norms.size());
    if (depth > max_depth) break;
    Node* node = norms[i];
    const NamedTensor& mean = tensors.at(node->input(3)->offset() - 1);
    const NamedTensor& var = tensors.at(node->input(4)->offset() - 1);
    state_->norms.push_back({mean.name.substr(0, mean.name.rfind('.')),
                             depth,
                             mean.tensor,
                             var.tensor,
                             {},
                             {}});
    torch::jit::WithInsertPoint guard(node);
    // [N * H * W, C] without a copy where channels are last in memory. Of
    // numbers about zero a mean of squares in single precision loses nothing.
    const auto aten = [&](const char* name,
                          std::vector<torch::jit::NamedValue> arguments) {
      return graph->insert(c10::Symbol::fromQualString(name), arguments);
    };
    Value* last =
        aten("aten::movedim", {node->input(0), int64_t{1}, int64_t{-1}});
    Value* rows = aten("aten::flatten", {last, int64_t{0}, int64_t{-2}});
    Value* moved = aten("aten::sub", {rows, node->input(3)});
    const std::vector<int64_t> first{0};
    graph->registerOutput(aten("aten::mean", {moved, first}));
    Value* square = aten("aten::mul", {moved, moved});
    graph->registerOutput(aten("aten::mean", {square, first}));
  }
  if (empty()) return;
  torch::jit::EliminateDeadCode(graph);  // what comes after the last of them
  state_->code = Code(graph, "batch_norm_probe");
}

BatchNormProbe::~BatchNormProbe() = default;

bool BatchNormProbe::empty() const { return state_->norms.empty(); }

std::vector<BatchNormMoments> BatchNormProbe::run(
    const torch::Tensor& images) const {
  std::vector<BatchNormMoments> out = state_->norms;
  if (out.empty()) return out;
  torch::NoGradGuard no_grad;
  const auto seen = run_graph(state_->code,
                              images.to(state_->chain->device)
                                  .contiguous(at::MemoryFormat::ChannelsLast),
                              state_->chain->whole_tensors);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].mean = seen[2 * i];
    out[i].square = seen[2 * i + 1];
  }
  return out;
}

std::shared_ptr<Graph> prefix_graph(const BlockChain& chain, int64_t end,
                                    const std::vector<int64_t>& taps) {
  if (end == BlockChain::kWhole) return closed_graph(chain.state_->lowered);
  const auto& blocks = chain.state_->blocks();
  TORCH_CHECK(0 <= end && end <= std::ssize(blocks), "blocks [0, ", end,
              ") of ", blocks.size());
  auto graph = std::make_shared<Graph>();
  Value* value = graph->addInput();
  value->setType(c10::TensorType::get());
  std::vector<Value*> tapped;
  const auto tap = [&](int64_t cut) {
    if (std::ranges::find(taps, cut) != taps.end())
      tapped.push_back(insert_tap(*graph, value, chain, cut));
  };
  tap(0);
  for (int64_t i = 0; i < end; ++i) {
    std::vector<Value*> inputs{value};
    for (const torch::Tensor& tensor : blocks[i].tensors)
      inputs.push_back(insert_constant(*graph, tensor));
    value = torch::jit::insertGraph(*graph, *blocks[i].graph, inputs).at(0);
    tap(i + 1);
  }
  if (!tapped.empty()) {
    Value* list =
        graph->insertNode(graph->createList(c10::TensorType::get(), tapped))
            ->output();
    value = graph->insert(torch::jit::aten::cat, {list, 1});
  }
  graph->registerOutput(value);
  return graph;
}

int64_t input_size(const BlockChain& chain) { return chain.state_->input_size; }

}  // namespace engraft
