#include "train/other_weights.h"

#include <algorithm>

#include "engraft/eval/metrics.h"
#include "eval/mean_probabilities.h"

namespace engraft {
namespace {

/// Epochs that a soup may be made of.
constexpr size_t kCandidates = 5;

}  // namespace

OtherWeights::OtherWeights(const MixOptions& options, LiveChain& live,
                           Loop loop)
    : options_(options), live_(live), loop_(std::move(loop)) {}

void OtherWeights::begin_stage(int64_t steps, int64_t epochs, bool last) {
  averager_ = make_averager(options_, live_.live_parameters(), steps, epochs);
  snapping_ = last && options_.snapshots > 0;
}

void OtherWeights::stepped(bool ends_cycle) {
  if (averager_) averager_->stepped();
  if (snapping_ && ends_cycle) snapshots_.push_back({live_.snapshot()});
}

void OtherWeights::epoch_ended(EpochResult& now) {
  if (options_.average == WeightAverage::soup) {
    best_.push_back(
        {live_.snapshot(), now.val_accuracy, now.val_loss, now.epoch});
    std::ranges::stable_sort(best_, is_better);
    if (best_.size() > kCandidates) best_.pop_back();
  }
  if (!averager_) return;
  averager_->epoch_ended();
  if (!averager_->ready()) return;
  const auto before = live_.snapshot();
  averager_->apply();
  loop_.measure_batch_norms(now.epoch);
  if (const auto seen = loop_.validate(now.epoch)) {
    now.average_val_accuracy = seen->accuracy;
    now.average_val_loss = seen->loss;
    now.average_is_best = loop_.keep_if_better(now.epoch, *seen);
  }
  LiveChain::restore(before);
}

void OtherWeights::finish(FitResult& result) {
  if (result.epochs.empty()) return;
  if (best_.size() > 1) make_soup(result);
  validate_snapshots(result);
}

void OtherWeights::make_soup(FitResult& result) {
  EpochResult& last = result.epochs.back();
  Validation seen;
  const auto judge = [&](const LiveChain::Snapshot& mean) {
    LiveChain::restore(mean);
    loop_.measure_batch_norms(last.epoch);
    seen = loop_.validate(last.epoch).value_or(Validation());
    return Checkpoint{{}, seen.accuracy, seen.loss};
  };
  const auto members = greedy_soup(std::move(best_), judge);
  if (members.size() < 2) return;
  judge(mean_of(members));
  last.average_val_accuracy = seen.accuracy;
  last.average_val_loss = seen.loss;
  last.average_is_best = loop_.keep_if_better(last.epoch, seen);
  for (const Checkpoint& member : members) result.soup.push_back(member.epoch);
}

void OtherWeights::validate_snapshots(FitResult& result) {
  std::vector<torch::Tensor> scores;
  torch::Tensor labels;
  for (FitSnapshot& snapshot : snapshots_) {
    LiveChain::restore(snapshot.state);
    const auto seen = loop_.validate(result.epochs.back().epoch);
    if (!seen || !seen->logits.defined()) break;
    snapshot.val_accuracy = seen->accuracy;
    snapshot.val_loss = seen->loss;
    scores.push_back(seen->logits.to(torch::kDouble).log_softmax(1));
    labels = seen->labels;
  }
  if (!scores.empty()) {
    const Metrics metrics = compute_metrics(log_mean(scores), labels);
    result.ensemble_val_accuracy = metrics.top1;
    result.ensemble_val_loss = metrics.loss;
  }
  result.snapshots = std::move(snapshots_);
}

}  // namespace engraft
