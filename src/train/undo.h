#pragma once

#include "engraft/train/live_chain.h"
#include "train/keep_randomness.h"

namespace engraft {

/// Around steps that only find something out: puts weights, running statistics
/// and random numbers back, and takes the gradients away.
class Undo {
 public:
  Undo(const LiveChain& live, torch::Device device)
      : live_(live), keep_(device), before_(live.snapshot()) {}
  ~Undo() {
    LiveChain::restore(before_);
    for (const torch::Tensor& parameter : live_.live_parameters())
      parameter.mutable_grad().reset();
  }
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;

 private:
  const LiveChain& live_;
  const KeepRandomness keep_;
  const LiveChain::Snapshot before_;
};

}  // namespace engraft
