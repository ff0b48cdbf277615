#pragma once

#include <functional>

#include "engraft/train/trainer.h"
#include "stopwatch.h"
#include "train/tally.h"

namespace engraft {

/// Says how far the epochs of a run are, to who wants to know.
class EpochProgress {
 public:
  /// \param epochs  of the stages that are sure to come
  EpochProgress(const std::function<void(const TrainProgress&)>& callback,
                int64_t epochs)
      : callback_(callback), epochs_(epochs) {}

  int64_t epochs() const { return epochs_; }
  void set_epochs(int64_t epochs) { epochs_ = epochs; }
  /// What the next ones will take too.
  void epoch_took(double seconds) { epoch_seconds_ = seconds; }

  /// \param phase     "train" or "val"
  /// \param images    that the phase has in all
  /// \param in_epoch  that an epoch has, both phases together
  /// \param watch     runs since the phase began
  void report(const char* phase, int64_t epoch, const Tally& tally,
              int64_t images, int64_t in_epoch, const Stopwatch& watch) const {
    if (!callback_) return;
    TrainProgress p;
    p.phase = phase;
    p.epoch = epoch;
    p.epochs = epochs_;
    p.images = tally.images;
    p.images_in_epoch = images;
    p.loss = tally.mean_loss();
    p.images_per_second = static_cast<double>(tally.images) / watch.seconds();
    // The first epoch has no other to go by: validation is taken to run as
    // fast as training.
    const double epoch_seconds =
        epoch_seconds_ > 0
            ? epoch_seconds_
            : static_cast<double>(in_epoch) / p.images_per_second;
    p.eta_seconds =
        static_cast<double>(epochs_ - epoch) * epoch_seconds +
        static_cast<double>(images - tally.images) / p.images_per_second;
    callback_(p);
  }

 private:
  const std::function<void(const TrainProgress&)>& callback_;
  int64_t epochs_;
  double epoch_seconds_ = 0;
};

}  // namespace engraft
