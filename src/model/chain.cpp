#include "engraft/model/chain.h"

#include <algorithm>
#include <mutex>
#include <unordered_set>

#include "data/content_hash.h"
#include "engraft/model/ensemble.h"
#include "engraft/threads.h"
#include "model/chain_state.h"
#include "model/graph.h"
#include "model/normalise.h"

namespace engraft {
namespace {

std::string hash_of(const torch::Tensor& tensor) {
  const auto bytes = tensor.detach().cpu().contiguous();
  return content_hash(
             std::string_view(static_cast<const char*>(bytes.data_ptr()),
                              bytes.nbytes()))
      .hex();
}

}  // namespace

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
    const torch::jit::Code& code =
        state_->code(i, frozen ? BlockMode::inference : mode);
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

void BlockChain::normalise_by(BatchNormStatistics statistics) {
  RegulariserOptions options = state_->regularisers;
  options.bn_statistics = statistics;
  regularise(options, state_->regularised_from);
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

std::vector<double> BlockChain::batch_norm_momenta(int64_t begin,
                                                   int64_t end) const {
  std::vector<double> out;
  if (state_->regularisers.bn_statistics == BatchNormStatistics::running)
    return out;
  for (int64_t i = begin; i < end; ++i)
    for_each_node(
        state_->blocks().at(static_cast<size_t>(i)).graph->block(),
        [&](Node* node) {
          if (is_batch_norm(node) && !is_none(node->input(3)))
            out.push_back(statistics_momentum(node, state_->regularisers));
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
  const auto graph = prefix_graph(*this, end);
  std::string text = graph->toString(false);
  // Of a large constant the text has no number.
  for_each_node(graph->block(), [&](torch::jit::Node* node) {
    if (node->kind() != torch::jit::prim::Constant || !node->hasUses()) return;
    const auto value = torch::jit::toIValue(node->output());
    if (!value) return;
    if (value->isTensor() && value->toTensor().defined())
      text += hash_of(value->toTensor());
    if (value->isTensorList())
      for (const torch::Tensor& tensor : value->toTensorVector())
        text += hash_of(tensor);
  });
  for (int64_t i = 0; i < end; ++i)
    for (const torch::Tensor& tensor : state_->blocks()[i].tensors)
      text += hash_of(tensor);
  return content_hash(text).hex();
}

void BlockChain::to(torch::Device device) {
  state_->module.to(device);
  state_->device = device;
}

torch::Device BlockChain::device() const { return state_->device; }

int64_t input_size(const BlockChain& chain) { return chain.state_->input_size; }

}  // namespace engraft
