#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "engraft/train/trainer.h"
#include "stopwatch.h"

namespace engraft {

/// Tells callbacks.progress how far a phase has come with its pictures, how
/// fast it is and how long the rest takes. The phase begins when this is made.
class PhaseProgress {
 public:
  /// `callbacks` must outlive it.
  PhaseProgress(const TrainCallbacks& callbacks, std::string phase)
      : callbacks_(callbacks), phase_(std::move(phase)) {}

  void operator()(int64_t done, int64_t all) const {
    if (!callbacks_.progress) return;
    TrainProgress p;
    p.phase = phase_;
    p.images = done;
    p.images_in_epoch = all;
    p.images_per_second = static_cast<double>(done) / watch_.seconds();
    p.eta_seconds = static_cast<double>(all - done) / p.images_per_second;
    callbacks_.progress(p);
  }

 private:
  const TrainCallbacks& callbacks_;
  std::string phase_;
  Stopwatch watch_;
};

}  // namespace engraft
