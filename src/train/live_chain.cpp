#include "engraft/train/live_chain.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "data/content_hash.h"
#include "model/autocast.h"

namespace engraft {
namespace {

std::unordered_set<const void*> tensors_before(const BlockChain& chain,
                                               int64_t cut) {
  std::unordered_set<const void*> out;
  for (int64_t i = 0; i < cut; ++i)
    for (const NamedTensor& t : chain.block(i).tensors)
      out.insert(t.tensor.unsafeGetTensorImpl());
  return out;
}

/// Tensors of blocks [begin, end), each once, without those in `except`.
std::vector<NamedTensor> tensors_in(const BlockChain& chain, int64_t begin,
                                    int64_t end,
                                    std::unordered_set<const void*> except) {
  std::vector<NamedTensor> out;
  for (int64_t i = begin; i < end; ++i)
    for (const NamedTensor& t : chain.block(i).tensors)
      if (except.insert(t.tensor.unsafeGetTensorImpl()).second)
        out.push_back(t);
  return out;
}

}  // namespace

LiveChain::LiveChain(BlockChain& chain, int64_t cut)
    : chain_(chain), cut_(cut), lowest_(cut) {
  for (const NamedTensor& t : tensors_in(chain, 0, chain.num_blocks() + 1, {}))
    flags_.emplace_back(t.tensor, t.tensor.requires_grad());
  mark();
}

LiveChain::~LiveChain() {
  for (auto& [tensor, flag] : flags_) {
    tensor.mutable_grad().reset();
    tensor.set_requires_grad(flag);
  }
}

void LiveChain::set_cut(int64_t cut) {
  cut_ = cut;
  mark();
}

void LiveChain::mark() {
  for (auto& [tensor, flag] : flags_) tensor.set_requires_grad(false);
  for (NamedTensor& t : live_tensors())
    if (!t.is_buffer && t.tensor.is_floating_point())
      t.tensor.set_requires_grad(true);
}

std::vector<NamedTensor> LiveChain::live_tensors() const {
  return tensors_in(chain_, cut_, chain_.num_blocks() + 1,
                    tensors_before(chain_, cut_));
}

std::vector<NamedTensor> LiveChain::frozen_tensors() const {
  return tensors_in(chain_, 0, lowest_, {});
}

std::vector<torch::Tensor> LiveChain::live_parameters() const {
  std::vector<torch::Tensor> out;
  for (const NamedTensor& t : live_tensors())
    if (t.tensor.requires_grad()) out.push_back(t.tensor);
  return out;
}

torch::Tensor LiveChain::forward(const torch::Tensor& x, int64_t begin,
                                 bool bf16) const {
  const torch::Tensor features =
      begin < cut_ ? chain_.run_frozen(x, begin, cut_) : x;
  const int64_t first = std::max(begin, cut_), end = chain_.num_blocks() + 1;
  if (!bf16) return chain_.run(features, first, end, BlockMode::training);
  // The final layer costs nothing, and the loss is of its outputs. A head that
  // is one with the last block cannot be run alone.
  const int64_t rounded = chain_.fused_head() ? end : chain_.num_blocks();
  const torch::Tensor out = [&] {
    const Autocast autocast(chain_.device().type());
    return chain_.run(features, first, rounded, BlockMode::training);
  }();
  return chain_.run(out.to(torch::kFloat), rounded, end, BlockMode::training);
}

void LiveChain::normalise_by(BatchNormStatistics statistics) {
  chain_.normalise_by(statistics);
}

void LiveChain::set_head(const torch::Tensor& weight,
                         const torch::Tensor& bias) {
  torch::NoGradGuard no_grad;
  const HeadInfo& head = chain_.head();
  for (NamedTensor t : chain_.block(chain_.num_blocks()).tensors) {
    if (t.name == head.weight)
      t.tensor.copy_(head.input_major ? weight.t() : weight);
    if (t.name == head.bias) t.tensor.copy_(bias);
  }
}

std::vector<ParameterGroup> LiveChain::groups(
    const TransferPlan& plan, const OptimOptions& options) const {
  std::vector<ParameterGroup> out;
  auto seen = tensors_before(chain_, cut_);
  const int64_t head = chain_.num_blocks();
  for (int64_t i = cut_; i <= head; ++i) {
    const double lr =
        i == head
            ? plan.head_lr
            : plan.backbone_lr *
                  std::pow(plan.block_decay, static_cast<double>(head - 1 - i));
    ParameterGroup weights{{}, lr, options.weight_decay, true};
    ParameterGroup others{{}, lr, 0, false};
    for (const NamedTensor& t : tensors_in(chain_, i, i + 1, seen)) {
      seen.insert(t.tensor.unsafeGetTensorImpl());
      if (!t.tensor.requires_grad()) continue;
      (t.tensor.dim() > 1 ? weights : others).tensors.push_back(t.tensor);
    }
    for (auto* group : {&weights, &others})
      if (!group->tensors.empty()) out.push_back(*group);
  }
  return out;
}

bool LiveChain::measure_batch_norms(const std::function<torch::Tensor()>& next,
                                    int64_t begin) {
  torch::NoGradGuard no_grad;
  const int64_t first = std::max(begin, cut_);
  const auto statistics = chain_.running_statistics(first);
  if (statistics.empty()) return false;
  std::vector<torch::Tensor> sums;
  for (const torch::Tensor& t : statistics) sums.push_back(zeros_like(t));
  double pictures = 0;
  for (torch::Tensor x = next(); x.defined(); x = next()) {
    if (begin < cut_) x = chain_.run_frozen(x, begin, cut_);
    chain_.run(x, first, chain_.num_blocks() + 1, BlockMode::statistics);
    const auto count = static_cast<double>(x.size(0));
    for (size_t i = 0; i < sums.size(); ++i) sums[i].add_(statistics[i], count);
    pictures += count;
  }
  if (pictures == 0) return false;
  for (size_t i = 0; i < sums.size(); ++i)
    statistics[i].copy_(sums[i] / pictures);
  return true;
}

LiveChain::Snapshot LiveChain::snapshot() const {
  // Of all that any stage moves: a later stage may be undone altogether.
  Snapshot out;
  for (const NamedTensor& t :
       tensors_in(chain_, lowest_, chain_.num_blocks() + 1,
                  tensors_before(chain_, lowest_)))
    out.emplace_back(t.tensor, t.tensor.detach().clone());
  return out;
}

void LiveChain::restore(const Snapshot& snapshot) {
  torch::NoGradGuard no_grad;
  for (const auto& [tensor, copy] : snapshot) torch::Tensor(tensor).copy_(copy);
}

std::string LiveChain::frozen_checksum() const {
  std::string all;
  for (const NamedTensor& t : frozen_tensors()) {
    const auto bytes = t.tensor.detach().cpu().contiguous();
    all += t.name + ":" +
           content_hash(
               std::string_view(static_cast<const char*>(bytes.data_ptr()),
                                bytes.nbytes()))
               .hex() +
           "\n";
  }
  return content_hash(all).hex();
}

int64_t LiveChain::num_frozen() const {
  return static_cast<int64_t>(frozen_tensors().size());
}

}  // namespace engraft
