#include "train/best_weights.h"

#include <utility>

#include "statistics.h"

namespace engraft {
namespace {

/// Standard errors of accuracy by which an epoch may seem worse than the most
/// accurate one. Of 100 to 200 validation pictures the most accurate epoch is
/// one by chance, often from before the blocks had learned anything.
constexpr double kTolerance = 1;

torch::Tensor right(const Validation& seen) {
  return seen.logits.argmax(1).eq(seen.labels);
}

}  // namespace

bool BestWeights::is_as_accurate(const Validation& seen) const {
  return mcnemar_z(right(most_accurate_), right(seen)) > -kTolerance;
}

bool BestWeights::is_better(const Validation& seen) {
  if (result_.best_epoch == 0 || !seen.logits.defined()) {
    most_accurate_ = seen;
    return true;
  }
  if (seen.accuracy > most_accurate_.accuracy) most_accurate_ = seen;
  if (!is_as_accurate(seen)) return false;
  return seen.loss < best_.loss || !is_as_accurate(best_);
}

bool BestWeights::keep_if_best(int64_t epoch, const Validation& seen) {
  if (!is_better(seen)) return false;
  best_ = seen;
  result_.best_epoch = epoch;
  result_.val_logits = seen.logits;
  result_.val_labels = seen.labels;
  result_.val_seconds = seen.seconds;
  live_.remember();
  return true;
}

void BestWeights::set_aside(const std::string& name) {
  if (result_.best_epoch == 0) return;
  live_.recall();
  aside_ = {name, live_.snapshot(), best_, result_.best_epoch};
  best_ = {};
  result_.best_epoch = 0;
}

bool BestWeights::settle(const std::string& name, double errors) {
  if (!aside_) return true;
  const Aside before = std::move(*aside_);
  aside_.reset();
  if (result_.best_epoch > 0) {
    // Without pictures to judge by, the plan is believed.
    StageProof proof{before.name, name, {}, errors, true};
    if (best_.logits.defined()) {
      proof.test =
          compare_paired(before.seen.logits, best_.logits, best_.labels);
      proof.kept = proof.test.better(errors);
    }
    result_.proofs.push_back(proof);
    if (proof.kept) return true;
  }
  LiveChain::restore(before.weights);
  result_.best_epoch = 0;
  keep_if_best(before.epoch, before.seen);
  return false;
}

}  // namespace engraft
