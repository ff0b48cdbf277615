#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engraft/train/average.h"
#include "engraft/train/fit.h"
#include "train/validation.h"

namespace engraft {

/// Weights that training yields besides those of its epochs: their average, a
/// soup of the best, snapshots at the ends of cycles. Does nothing for what
/// was not asked for.
class OtherWeights {
 public:
  /// What the loop lends. All are about the model as it is at the call.
  struct Loop {
    std::function<std::optional<Validation>(int64_t epoch)> validate;
    /// Batch norms' statistics of these weights, from pictures of the epoch.
    /// False where there are none.
    std::function<bool(int64_t epoch)> measure_batch_norms;
    std::function<bool(int64_t epoch, const Validation&)> keep_if_better;
  };

  OtherWeights(const MixOptions& options, LiveChain& live, Loop loop);

  /// falling  steps after the warm-up
  /// last     snapshots are taken in this one. Throws Error(Fault::usage) when
  ///          the rate falls over fewer steps than snapshots.
  void begin_stage(int64_t steps, int64_t falling, int64_t epochs, bool last);
  void stepped(bool ends_cycle);
  /// After the epoch's own weights were validated, which stay.
  /// judged  there are validation pictures
  void epoch_ended(EpochResult& now, bool judged);
  /// What there is so far is of training that does not count.
  void begin_anew();
  /// Into `result`; leaves the weights as they come.
  void finish(FitResult& result);

 private:
  void make_soup(FitResult& result);
  void measure_batch_norms(FitResult& result);
  /// Of what was asked for and is not there.
  void note_missing(FitResult& result) const;
  void validate_snapshots(FitResult& result);

  MixOptions options_;
  LiveChain& live_;
  Loop loop_;
  bool snapping_ = false, averaged_ = false;
  std::unique_ptr<WeightAverager> averager_;
  std::vector<Checkpoint> best_;  ///< epochs for a soup
  std::vector<FitSnapshot> snapshots_;
};

}  // namespace engraft
