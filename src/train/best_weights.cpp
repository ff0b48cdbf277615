#include "train/best_weights.h"

#include <utility>

#include "statistics.h"
#include "train/more_accurate.h"

namespace engraft {
namespace {

/// Standard errors by which an epoch may seem worse than the most accurate one
/// (the one-standard-error rule, Breiman et al. 1984). Of 50 to 200 validation
/// pictures that is one by chance, often from before the blocks had learned
/// much. With two, of eight pictures two more wrong ones were nothing. It must
/// be more: one picture that is lost, and none won, is one exactly. So it is in
/// proofs; 18 runs of three sets gained 0.8 points by it, and none lost any.
constexpr double kTolerance = 1;

/// bool [N]
torch::Tensor right(const Validation& seen) {
  return seen.logits.argmax(1).eq(seen.labels);
}

}  // namespace

bool BestWeights::begins(int64_t epoch, const Validation& seen) {
  const bool first = result_.best_epoch == 0 || !seen.logits.defined();
  if (first || is_more_accurate(seen, most_accurate_)) {
    most_accurate_ = seen;
    most_accurate_epoch_ = epoch;
  }
  return first;
}

bool BestWeights::keep_epoch(int64_t epoch, const Validation& seen) {
  if (!begins(epoch, seen) &&
      mcnemar_z(right(most_accurate_), right(seen)) < -kTolerance)
    return false;
  keep(epoch, seen);
  return true;
}

bool BestWeights::keep_if_better(int64_t epoch, const Validation& seen) {
  if (!begins(epoch, seen) && !is_more_accurate(seen, best_)) return false;
  keep(epoch, seen);
  return true;
}

void BestWeights::keep(int64_t epoch, const Validation& seen) {
  best_ = seen;
  result_.best_epoch = epoch;
  result_.val_logits = seen.logits;
  result_.val_labels = seen.labels;
  result_.val_seconds = seen.seconds;
  live_.remember();
}

void BestWeights::set_aside(const std::string& name) {
  if (result_.best_epoch == 0) return;
  live_.recall();
  aside_ = {name, live_.snapshot(), best_, result_.best_epoch};
  begin_anew();
}

void BestWeights::begin_anew() {
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
  keep(before.epoch, before.seen);
  return false;
}

}  // namespace engraft
