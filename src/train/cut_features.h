#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "engraft/train/fit.h"
#include "train/batches.h"
#include "train/solved_head.h"

namespace engraft {

/// What the frozen blocks in front of a cut give for a run's pictures: kept
/// where the plan has views that are used again, else made anew each epoch.
class CutFeatures {
 public:
  /// All must outlive it. stop  true ends preparing early
  CutFeatures(const BlockChain& chain, const FitSettings& settings,
              const TrainCallbacks& callbacks, std::function<bool()> stop)
      : chain_(chain),
        settings_(settings),
        callbacks_(callbacks),
        stop_(std::move(stop)) {}

  /// Passes the pictures through the blocks in front of the cut, once for all
  /// epochs. views  as TransferPlan. False when it was stopped.
  bool prepare(int64_t cut, int64_t views);

  int64_t cut() const { return cut_; }
  /// The mini-batches advance by themselves; the features stay.
  Batches& train() const { return *train_; }
  Batches& val() const { return *val_; }
  /// Seconds that the frozen blocks took for the validation pictures, where
  /// they are kept.
  double val_fill_seconds() const { return val_fill_seconds_; }
  double seconds_waited() const {
    return train_->seconds_waited() + val_->seconds_waited();
  }
  /// Of what was kept: the last stage's, but the rows and seconds of them all.
  ActivationStats stats() const;

  /// Training pictures' features before the head.
  struct BeforeHead {
    Activations* activations = nullptr;
    ViewRange views;
    std::unique_ptr<Activations> lower, own;  ///< where not kept
  };
  /// From what is prepared: all views of a cut before the head, else one.
  /// Nullopt when it was stopped.
  std::optional<BeforeHead> before_head();

 private:
  LoaderOptions loader_options(bool train) const;
  ActivationOptions activation_options() const;
  int64_t pictures() const;
  bool evaluation_view() const;
  int64_t random_views() const { return views_ - (evaluation_view() ? 1 : 0); }
  void take_known();
  bool fill(Activations& activations, const std::vector<Sample>& samples,
            int64_t views) const;

  const BlockChain& chain_;
  const FitSettings& settings_;
  const TrainCallbacks& callbacks_;
  const std::function<bool()> stop_;
  int64_t cut_ = 0, views_ = 0;
  double val_fill_seconds_ = 0;
  ActivationStats earlier_;  ///< of stages before
  std::unique_ptr<Activations> kept_;
  std::unique_ptr<FrozenPrefix> prefix_;  ///< where nothing is kept
  std::unique_ptr<Batches> train_, val_;
};

}  // namespace engraft
