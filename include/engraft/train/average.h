#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <vector>

#include "engraft/train/live_chain.h"
#include "engraft/train/options.h"

namespace engraft {

/// An average of weights over training:
///   ema  a = d a + (1 - d) w after each step (Polyak & Juditsky 1992 with
///        weights that forget), d = min(decay, (1 + n) / (10 + n)) in step n so
///        that the first steps are forgotten soon
///   swa  the plain mean of the weights at the ends of the epochs after
///        average-from (Izmailov et al. 2018, algorithm 1)
class WeightAverager {
 public:
  /// weights  whose values are followed; steps and epochs of the stage
  WeightAverager(const MixOptions& options, std::vector<torch::Tensor> weights,
                 int64_t steps, int64_t epochs);

  void stepped();
  void epoch_ended();
  /// There is an average, and it is not the weights themselves.
  bool ready() const;
  /// Gives the weights the values of their average.
  void apply();

 private:
  MixOptions options_;
  std::vector<torch::Tensor> weights_, averages_;
  double decay_ = 0;
  int64_t first_epoch_ = 0, step_ = 0, epoch_ = 0, added_ = 0;
};

/// Weights (and running statistics) and how they validated.
struct Checkpoint {
  LiveChain::Snapshot state;
  double accuracy = 0, loss = 0;
  int64_t epoch = 0;
};

/// The mean of the states of checkpoints of the same tensors; of what is no
/// floating-point number the first one's.
LiveChain::Snapshot mean_of(const std::vector<Checkpoint>& checkpoints);

/// A greedy soup (Wortsman et al. 2022, recipe 1): from the best checkpoint on,
/// each of the others joins the mean when that does not validate worse. `judge`
/// puts a mean into the model and validates it. Returns the members, the best
/// first; one alone is no soup.
std::vector<Checkpoint> greedy_soup(
    std::vector<Checkpoint> checkpoints,
    const std::function<Checkpoint(const LiveChain::Snapshot&)>& judge);

/// Null for none and soup.
std::unique_ptr<WeightAverager> make_averager(
    const MixOptions& options, std::vector<torch::Tensor> weights,
    int64_t steps, int64_t epochs);

}  // namespace engraft
