#include "engraft/train/average.h"

#include <algorithm>
#include <cmath>

#include "train/more_accurate.h"

namespace engraft {
namespace {

constexpr double kLongestMemory = 0.9999;

}  // namespace

WeightAverager::WeightAverager(const MixOptions& options,
                               std::vector<torch::Tensor> weights,
                               int64_t steps, int64_t epochs)
    : options_(options), weights_(std::move(weights)) {
  // A tenth of the stage is remembered.
  const double own =
      1 - 10.0 / static_cast<double>(std::max<int64_t>(steps, 1));
  decay_ = options.average_decay.value_or(std::clamp(own, 0.0, kLongestMemory));
  first_epoch_ = std::llround(options.average_from.value_or(0.5) *
                              static_cast<double>(epochs));
  for (const torch::Tensor& w : weights_)
    averages_.push_back(w.detach().clone());
}

void WeightAverager::stepped() {
  if (options_.average != WeightAverage::ema) return;
  torch::NoGradGuard no_grad;
  const auto n = static_cast<double>(++step_);
  const double decay = std::min(decay_, (1 + n) / (10 + n));
  for (size_t i = 0; i < weights_.size(); ++i)
    averages_[i].lerp_(weights_[i], 1 - decay);
  ++added_;
}

void WeightAverager::epoch_ended() {
  if (options_.average != WeightAverage::swa || epoch_++ < first_epoch_) return;
  torch::NoGradGuard no_grad;
  ++added_;
  for (size_t i = 0; i < weights_.size(); ++i)
    averages_[i].lerp_(weights_[i], 1 / static_cast<double>(added_));
}

bool WeightAverager::ready() const { return added_ > 1; }

void WeightAverager::apply() {
  torch::NoGradGuard no_grad;
  for (size_t i = 0; i < weights_.size(); ++i) weights_[i].copy_(averages_[i]);
}

LiveChain::Snapshot mean_of(const std::vector<Checkpoint>& checkpoints) {
  torch::NoGradGuard no_grad;
  LiveChain::Snapshot out;
  for (const auto& [tensor, copy] : checkpoints.at(0).state)
    out.emplace_back(tensor, copy.clone());
  for (size_t i = 0; i < out.size(); ++i) {
    if (!out[i].second.is_floating_point()) continue;
    for (size_t k = 1; k < checkpoints.size(); ++k)
      out[i].second.add_(checkpoints[k].state.at(i).second);
    out[i].second.div_(static_cast<double>(checkpoints.size()));
  }
  return out;
}

std::vector<Checkpoint> greedy_soup(
    std::vector<Checkpoint> checkpoints,
    const std::function<Checkpoint(const LiveChain::Snapshot&)>& judge) {
  std::ranges::stable_sort(checkpoints, is_more_accurate<Checkpoint>);
  std::vector<Checkpoint> soup;
  Checkpoint best;
  for (Checkpoint& next : checkpoints) {
    soup.push_back(std::move(next));
    if (soup.size() == 1) {
      best.accuracy = soup[0].accuracy;
      best.loss = soup[0].loss;
      continue;
    }
    const Checkpoint judged = judge(mean_of(soup));
    if (is_more_accurate(best, judged))
      soup.pop_back();
    else
      best = judged;
  }
  return soup;
}

std::unique_ptr<WeightAverager> make_averager(
    const MixOptions& options, std::vector<torch::Tensor> weights,
    int64_t steps, int64_t epochs) {
  if (options.average == WeightAverage::none ||
      options.average == WeightAverage::soup)
    return nullptr;
  return std::make_unique<WeightAverager>(options, std::move(weights), steps,
                                          epochs);
}

}  // namespace engraft
