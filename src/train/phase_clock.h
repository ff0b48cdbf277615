#pragma once

#include "engraft/train/trainer.h"
#include "stopwatch.h"

namespace engraft {

/// Notes how long it is since the last note.
class PhaseClock {
 public:
  explicit PhaseClock(Phases& phases) : phases_(phases) {}
  void end(const char* phase) {
    phases_.emplace_back(phase, lap_.seconds());
    lap_ = Stopwatch();
  }
  /// Seconds since the first phase began.
  double total() const { return all_.seconds(); }

 private:
  Phases& phases_;
  const Stopwatch all_;
  Stopwatch lap_;
};

}  // namespace engraft
