#include "engraft/model/prefix.h"

#include <ATen/Parallel.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/passes/frozen_graph_optimizations.h>
#include <torch/csrc/jit/passes/frozen_ops_to_mkldnn.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <sstream>

#include "engraft/threads.h"
#include "model/autocast.h"
#include "model/block_graphs.h"
#include "model/cut.h"
#include "model/difference.h"
#include "model/fuse.h"
#include "stopwatch.h"

namespace engraft {
namespace {

using torch::jit::Code;

// A rewritten graph costs about as much as so many pictures; timing all ways
// as much as so many.
constexpr int64_t kWorthRewriting = 32, kWorthTiming = 250;
// Rounding in another order gives 1e-7 a layer.
constexpr double kExact = 1e-4, kCoarse = 2e-2;
constexpr double kClearlyFaster = 0.9;
// What may be spent on trying ways that seldom gain much beside another
// rewritten graph, as a share of all.
constexpr double kTrialShare = 0.05;

/// Four pictures of 224 x 224 stay in a CPU's caches: 1.3 to 1.8 times as fast
/// as 32 (MobileNetV2, two cores).
int64_t group_size(int64_t input_size, bool gpu) {
  constexpr int64_t kPixels = 4 * 224 * 224;
  if (gpu) return 32;
  return std::clamp<int64_t>(
      std::llround(static_cast<double>(kPixels) /
                   static_cast<double>(input_size * input_size)),
      1, 64);
}

void constants_to(Graph& graph, at::ScalarType dtype) {
  std::vector<Node*> found;
  for (Node* node : graph.nodes())
    if (const auto value = node->kind() == torch::jit::prim::Constant
                               ? torch::jit::toIValue(node->output())
                               : std::nullopt)
      if (value->isTensor() && value->toTensor().defined() &&
          value->toTensor().scalar_type() == at::kFloat)
        found.push_back(node);
  for (Node* node : found) {
    torch::jit::WithInsertPoint guard(node);
    const auto tensor = torch::jit::toIValue(node->output())->toTensor();
    node->output()->replaceAllUsesWith(graph.insertConstant(tensor.to(dtype)));
    node->destroy();
  }
}

}  // namespace

struct FrozenPrefix::State {
  /// One way of computing, ready to run.
  struct Way {
    InferenceKind kind = InferenceKind::plain;
    Code code;
    std::vector<torch::Tensor> tensors;
    at::ScalarType dtype = at::kFloat;
    bool writes_input = false;

    torch::Tensor run(const torch::Tensor& group) const {
      const torch::Tensor input = writes_input ? group.clone() : group;
      return run_graph(code, input.to(dtype), tensors).at(0).to(at::kFloat);
    }
  };

  const BlockChain* chain = nullptr;
  int64_t end = 0;
  std::vector<int64_t> taps;
  InferenceKind wanted = InferenceKind::automatic;
  std::optional<InferenceKind> preferred;  ///< of `automatic`
  int64_t pictures = 0, group = 1;
  bool chosen = false;
  PrefixChoice choice;
  Way way;
  std::unique_ptr<ComputeTeam> team;  // last: its threads use the others

  bool gpu() const { return chain->device().is_cuda(); }

  int64_t groups_at_once() const { return gpu() ? 1 : at::get_num_threads(); }

  /// Throws what LibTorch throws where this way does not exist.
  Way build(InferenceKind kind) const {
    Way out;
    out.kind = kind;
    auto graph = prefix_graph(*chain, end, taps);
    if (kind != InferenceKind::plain) torch::jit::OptimizeFrozenGraph(graph);
    if (kind == InferenceKind::bf16) out.dtype = at::kBFloat16;
    const bool fuse =
        kind == InferenceKind::fused || (kind == InferenceKind::bf16 && !gpu());
    if (fuse) {
      out.tensors =
          fuse_convolutions(graph, group, input_size(*chain), out.dtype);
      TORCH_CHECK(!out.tensors.empty(), "no convolution could be fused");
    }
    if (kind == InferenceKind::onednn)
      torch::jit::ConvertFrozenOpsToMKLDNN(graph);
    if (kind == InferenceKind::bf16) constants_to(*graph, at::kBFloat16);
    out.writes_input =
        torch::jit::AliasDb(graph).hasWriters(graph->inputs()[0]);
    out.code = Code(graph, "prefix");
    return out;
  }

  bool seldom_gains(InferenceKind kind) const {
    return !gpu() &&
           (kind == InferenceKind::onednn || kind == InferenceKind::folded);
  }

  std::vector<InferenceKind> candidates() const {
    if (gpu()) return {InferenceKind::folded, InferenceKind::bf16};
    std::vector<InferenceKind> out{InferenceKind::fused};
    if (has_bf16()) out.push_back(InferenceKind::bf16);
    out.push_back(InferenceKind::onednn);
    out.push_back(InferenceKind::folded);
    return out;
  }

  /// Channels-last, filled up with zeros to a whole group.
  torch::Tensor whole_group(const torch::Tensor& part) const {
    torch::Tensor full = torch::empty(
        {group, part.size(1), part.size(2), part.size(3)},
        part.options().memory_format(at::MemoryFormat::ChannelsLast));
    full.narrow(0, 0, part.size(0)).copy_(part);
    full.narrow(0, part.size(0), group - part.size(0)).zero_();
    return full.to(chain->device());
  }

  /// On the team, or at once on a GPU and for what is one group.
  std::future<void> begin(std::function<void()> work, int64_t groups) {
    if (!gpu() && (groups > 1 || team)) {
      if (!team) team = std::make_unique<ComputeTeam>();
      return team->begin(std::move(work));
    }
    std::packaged_task<void()> task(std::move(work));
    task();
    return task.get_future();
  }

  /// Seconds a group of the faster of two runs after one that is not counted,
  /// of as many groups as there are threads.
  double time(const Way& candidate, const torch::Tensor& group_of) {
    const int64_t count = groups_at_once();
    double best = INFINITY;
    for (int i = 0; i < 3; ++i) {
      std::vector<torch::Tensor> given(static_cast<size_t>(count));
      std::vector<std::future<void>> begun;
      const Stopwatch watch;
      for (torch::Tensor& result : given)
        begun.push_back(begin(
            [&] {
              torch::NoGradGuard no_grad;  // is a thread's own
              result = candidate.run(group_of);
            },
            count));
      wait_for_all(begun);
      // Reading one value waits for a GPU.
      given[0].flatten().slice(0, 0, 1).item<float>();
      if (i > 0)
        best = std::min(best, watch.seconds() / static_cast<double>(count));
    }
    return best;
  }

  /// Builds and checks one way; a trial with `refused` set when it is no good.
  PrefixTrial try_way(InferenceKind kind, const torch::Tensor& group_of,
                      const torch::Tensor& expected, Way& out) const {
    PrefixTrial trial;
    trial.kind = kind;
    try {
      out = build(kind);
      const torch::Tensor seen = out.run(group_of);
      trial.difference = relative_difference(seen, expected);
      const double limit = kind == InferenceKind::bf16 ? kCoarse : kExact;
      if (!(trial.difference <= limit)) {
        std::ostringstream text;
        text << "differs by " << trial.difference << ", more than " << limit;
        trial.refused = text.str();
      }
    } catch (const std::exception& error) {
      trial.refused = last_line(error.what());
    }
    return trial;
  }

  /// What is not timed is checked all the same.
  void take_fused(const Way& plain, const torch::Tensor& group_of,
                  InferenceKind kind) {
    Way other;
    choice.trials.push_back(
        try_way(kind, group_of, plain.run(group_of), other));
    const bool good = choice.trials.back().refused.empty();
    if (!good && wanted != InferenceKind::automatic)
      fail(
          Fault::usage, "--inference ", name_of(kind),
          ": not possible for this model here: ", choice.trials.back().refused);
    way = good ? std::move(other) : plain;
  }

  void take_fastest(const Way& plain, const torch::Tensor& group_of) {
    const Stopwatch watch;
    const torch::Tensor expected = plain.run(group_of);
    const auto pictures_run = static_cast<double>(group_of.size(0));
    PrefixTrial base;
    base.milliseconds = 1e3 * time(plain, group_of) / pictures_run;
    choice.trials.push_back(base);
    double best = base.milliseconds;
    way = plain;
    for (const InferenceKind kind : candidates()) {
      const double work = 1e-3 * best * static_cast<double>(pictures);
      const bool rewritten = way.kind != InferenceKind::plain;
      if (rewritten && seldom_gains(kind) &&
          watch.seconds() > kTrialShare * work) {
        PrefixTrial untried;
        untried.kind = kind;
        untried.refused = "not tried: few pictures";
        choice.trials.push_back(untried);
        continue;
      }
      Way candidate;
      PrefixTrial trial = try_way(kind, group_of, expected, candidate);
      if (trial.refused.empty()) {
        trial.milliseconds = 1e3 * time(candidate, group_of) / pictures_run;
        const bool first_choice = way.kind == InferenceKind::plain;
        if (trial.milliseconds < best * (first_choice ? 1.0 : kClearlyFaster)) {
          best = trial.milliseconds;
          way = std::move(candidate);
        }
      }
      choice.trials.push_back(trial);
    }
  }

  void choose(const torch::Tensor& group_of) {
    const Way plain = build(InferenceKind::plain);
    const bool automatic = wanted == InferenceKind::automatic;
    const InferenceKind kind = automatic ? preferred.value_or(wanted) : wanted;
    if (kind == InferenceKind::plain ||
        (automatic && pictures < kWorthRewriting))
      way = plain;
    else if (kind != InferenceKind::automatic)
      take_fused(plain, group_of, kind);
    else if (pictures < kWorthTiming)
      take_fused(plain, group_of,
                 gpu() ? InferenceKind::folded : InferenceKind::fused);
    else
      take_fastest(plain, group_of);
    choice.kind = way.kind;
    chosen = true;
    give_back_memory();  // of the ways that were not taken
  }
};

FrozenPrefix::FrozenPrefix(const BlockChain& chain, int64_t end,
                           InferenceKind kind, int64_t pictures,
                           std::vector<int64_t> taps)
    : state_(std::make_unique<State>()) {
  state_->chain = &chain;
  state_->end = end;
  state_->taps = std::move(taps);
  state_->wanted = kind;
  state_->pictures = pictures;
  state_->group = group_size(input_size(chain), chain.device().is_cuda());
  // Filling up would cost more than it gains.
  if (kind == InferenceKind::automatic && pictures < kWorthRewriting)
    state_->group = 1;
}

FrozenPrefix::~FrozenPrefix() = default;

void FrozenPrefix::prefer(InferenceKind kind) { state_->preferred = kind; }

FrozenPrefix::FrozenPrefix(FrozenPrefix&&) noexcept = default;
FrozenPrefix& FrozenPrefix::operator=(FrozenPrefix&&) noexcept = default;

FrozenPrefix::Pending FrozenPrefix::begin(const torch::Tensor& images) {
  State& s = *state_;
  Pending out;
  out.images_ = images.size(0);
  out.groups_ = std::make_shared<std::vector<torch::Tensor>>();
  torch::NoGradGuard no_grad;
  if (s.end == 0) {
    out.groups_->push_back(images.to(s.chain->device()));
    return out;
  }
  const auto parts = images.split(s.group);
  if (!s.chosen) s.choose(s.whole_group(parts[0]));
  out.groups_->resize(parts.size());
  for (size_t i = 0; i < parts.size(); ++i)
    out.begun_.push_back(s.begin(
        [&s, part = parts[i], groups = out.groups_, i] {
          torch::NoGradGuard no_grad;  // is a thread's own
          (*groups)[i] = s.way.run(s.whole_group(part));
        },
        std::ssize(parts)));
  return out;
}

torch::Tensor FrozenPrefix::Pending::get() {
  wait_for_all(begun_);
  const torch::Tensor all = torch::cat(*groups_);
  groups_.reset();
  return all.narrow(0, 0, images_);
}

const PrefixChoice& FrozenPrefix::choice() const { return state_->choice; }

int64_t FrozenPrefix::pictures_at_once(int64_t views) const {
  const int64_t group = state_->group;
  const int64_t step = group / std::gcd(group, views);
  const int64_t wanted = group * state_->groups_at_once();
  return (wanted + step * views - 1) / (step * views) * step;
}

std::string PrefixChoice::text() const {
  std::ostringstream out;
  out.precision(3);
  out << name_of(kind);
  double plain = 0, own = 0;
  for (const PrefixTrial& t : trials) {
    if (t.kind == InferenceKind::plain) plain = t.milliseconds;
    if (t.kind == kind) own = t.milliseconds;
  }
  if (own > 0) out << ": " << own << " ms a picture";
  if (own > 0 && kind != InferenceKind::plain)
    out << ", " << plain / own << " times as fast as plain";
  return out.str();
}

Json to_json(const PrefixChoice& choice) {
  Json trials = Json::array();
  for (const PrefixTrial& t : choice.trials)
    trials.push_back({{"kind", std::string(name_of(t.kind))},
                      {"milliseconds", t.milliseconds},
                      {"difference", t.difference},
                      {"refused", t.refused}});
  return {{"kind", std::string(name_of(choice.kind))}, {"trials", trials}};
}

}  // namespace engraft
