#pragma once

#include <chrono>

#include "engraft/train/trainer.h"

namespace engraft {

/// Notes how long it is since the last note.
class PhaseClock {
  using Steady = std::chrono::steady_clock;

 public:
  explicit PhaseClock(Phases& phases) : phases_(phases) {}
  void end(const char* phase) {
    const auto now = Steady::now();
    phases_.emplace_back(phase,
                         std::chrono::duration<double>(now - last_).count());
    last_ = now;
  }
  /// Seconds since the first phase began.
  double total() const {
    return std::chrono::duration<double>(Steady::now() - start_).count();
  }

 private:
  Phases& phases_;
  const Steady::time_point start_ = Steady::now();
  Steady::time_point last_ = start_;
};

}  // namespace engraft
