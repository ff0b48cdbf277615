#include "train/best_weights.h"

#include <utility>

namespace engraft {

bool BestWeights::keep_if_best(int64_t epoch, const Validation& seen) {
  const bool better =
      result_.best_epoch == 0 || !seen.logits.defined() ||
      seen.accuracy > best_.accuracy ||
      (seen.accuracy == best_.accuracy && seen.loss < best_.loss);
  if (!better) return false;
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
