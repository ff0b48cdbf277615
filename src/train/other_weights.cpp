#include "train/other_weights.h"

#include <algorithm>
#include <sstream>

#include "engraft/eval/calibration.h"
#include "engraft/eval/metrics.h"
#include "eval/mean_probabilities.h"
#include "stopwatch.h"
#include "train/more_accurate.h"

namespace engraft {
namespace {

/// Epochs that a soup may be made of.
constexpr size_t kCandidates = 5;

}  // namespace

OtherWeights::OtherWeights(const MixOptions& options, LiveChain& live,
                           Loop loop)
    : options_(options), live_(live), loop_(std::move(loop)) {}

void OtherWeights::begin_stage(int64_t steps, int64_t falling, int64_t epochs,
                               bool last) {
  averager_ = make_averager(options_, live_.live_parameters(), steps, epochs);
  snapping_ = last && options_.snapshots > 0;
  if (snapping_ && falling < options_.snapshots)
    fail(Fault::usage, "--snapshots ", options_.snapshots,
         ": the rate cannot fall so often in the ", falling,
         " steps after the warm-up; give more --epochs or a smaller "
         "--batch-size");
}

void OtherWeights::stepped(bool ends_cycle) {
  if (averager_) averager_->stepped();
  if (snapping_ && ends_cycle) snapshots_.push_back({live_.snapshot(), {}, 1});
}

void OtherWeights::epoch_ended(EpochResult& now, bool judged) {
  if (options_.average == WeightAverage::soup && judged) {
    best_.push_back(
        {live_.snapshot(), now.val_accuracy, now.val_loss, now.epoch});
    std::ranges::stable_sort(best_, is_more_accurate<Checkpoint>);
    if (best_.size() > kCandidates) best_.pop_back();
  }
  if (!averager_) return;
  averager_->epoch_ended();
  if (!averager_->ready()) return;
  averaged_ = true;
  const Stopwatch watch;
  const auto before = live_.snapshot();
  averager_->apply();
  loop_.measure_batch_norms(now.epoch);
  if (const auto seen = loop_.validate(now.epoch)) {
    now.average_val_accuracy = seen->accuracy;
    now.average_val_loss = seen->loss;
    now.average_is_best = loop_.keep_if_better(now.epoch, *seen);
  }
  LiveChain::restore(before);
  now.average_seconds = watch.seconds();
}

void OtherWeights::begin_anew() {
  best_.clear();
  snapshots_.clear();
  averaged_ = false;
}

void OtherWeights::finish(FitResult& result) {
  if (result.epochs.empty()) return;
  if (best_.size() > 1) make_soup(result);
  validate_snapshots(result);
  if (options_.bn_reestimate) measure_batch_norms(result);
  note_missing(result);
  begin_anew();
}

void OtherWeights::note_missing(FitResult& result) const {
  const auto note = [&](const auto&... words) {
    std::ostringstream text;
    (text << ... << words);
    result.others.notes.push_back(text.str());
  };
  const bool soup = options_.average == WeightAverage::soup;
  if (soup && best_.empty())
    note(
        "--weight-average soup: no validation pictures choose its epochs, so "
        "that the last epoch is kept as it is");
  else if (soup && result.others.soup.empty())
    note(
        "--weight-average soup: none of the other epochs improves the best "
        "one, which is kept as it is");
  else if (averager_ && !averaged_)
    note("--weight-average ", name_of(options_.average), ": training had too ",
         "few epochs to average",
         options_.average == WeightAverage::swa
             ? "; --average-from says where it begins"
             : "");
  const auto taken = std::ssize(result.others.snapshots);
  if (taken < options_.snapshots)
    note("--snapshots ", options_.snapshots, ": only ", taken,
         taken == 1 ? " was" : " were", " taken before training ended");
}

void OtherWeights::make_soup(FitResult& result) {
  const Stopwatch watch;
  EpochResult& last = result.epochs.back();
  Validation seen;
  const auto judge = [&](const LiveChain::Snapshot& mean) {
    LiveChain::restore(mean);
    loop_.measure_batch_norms(last.epoch);
    seen = loop_.validate(last.epoch).value_or(Validation());
    return Checkpoint{{}, seen.accuracy, seen.loss};
  };
  const auto members = greedy_soup(best_, judge);
  last.average_seconds = watch.seconds();
  result.others.soup.clear();
  if (members.size() < 2) return;
  judge(mean_of(members));
  last.average_val_accuracy = seen.accuracy;
  last.average_val_loss = seen.loss;
  result.others.soup_figures = {seen.accuracy, seen.loss, last.average_seconds};
  last.average_is_best = loop_.keep_if_better(last.epoch, seen);
  for (const Checkpoint& member : members)
    result.others.soup.push_back(member.epoch);
}

void OtherWeights::measure_batch_norms(FitResult& result) {
  if (result.best_epoch == 0) return;
  const Stopwatch watch;
  live_.recall();
  if (!loop_.measure_batch_norms(result.best_epoch)) return;
  const auto seen = loop_.validate(result.best_epoch);
  if (!seen) return;
  MeasuredBatchNorms& out = result.others.batch_norms.emplace();
  if (seen->logits.defined()) {
    out.figures.accuracy = seen->accuracy;
    out.figures.loss = seen->loss;
  }
  out.figures.seconds = watch.seconds();
  out.kept = loop_.keep_if_better(result.best_epoch, *seen);
}

void OtherWeights::validate_snapshots(FitResult& result) {
  std::vector<torch::Tensor> scores;
  torch::Tensor labels;
  for (FitSnapshot& snapshot : snapshots_) {
    const Stopwatch watch;
    LiveChain::restore(snapshot.state);
    const auto seen = loop_.validate(result.epochs.back().epoch);
    if (!seen || !seen->logits.defined()) break;
    snapshot.figures = {seen->accuracy, seen->loss, watch.seconds()};
    snapshot.temperature = fit_temperature(seen->logits, seen->labels);
    result.others.ensemble.seconds += watch.seconds();
    scores.push_back(seen->logits.to(torch::kDouble).log_softmax(1));
    labels = seen->labels;
  }
  if (!scores.empty()) {
    const Metrics metrics = compute_metrics(log_mean(scores), labels);
    result.others.ensemble.accuracy = metrics.top1;
    result.others.ensemble.loss = metrics.loss;
  }
  result.others.snapshots = std::move(snapshots_);
}

}  // namespace engraft
