#pragma once

#include <torch/types.h>

#include <memory>
#include <string>
#include <vector>

#include "engraft/model/chain.h"
#include "engraft/train/optimizer.h"
#include "engraft/train/options.h"

namespace engraft {

struct EpochResult;

/// What one forward pass of the live blocks learns from.
struct TrainBatch {
  torch::Tensor x;       ///< float32 [N, ...]: what the first live block takes
  torch::Tensor labels;  ///< int64 [N]
  /// float32 [N, classes], rows sum to 1; undefined where labels say it all.
  torch::Tensor targets;
};

/// One thing that training does besides descending the loss's gradient. The
/// loop calls all that were asked for at fixed places, in their order, and
/// knows none by name: what is off is not there and costs nothing.
class Technique {
 public:
  virtual ~Technique() = default;
  /// Before the forward pass. May replace all of the batch.
  virtual void batch(TrainBatch&) {}
  /// All gradients of a step are there, not clipped yet.
  virtual void before_step(const std::vector<ParameterGroup>&) {}
  virtual void after_step() {}
  /// Blocks from `cut` on are trained from now on.
  virtual void begin_stage(const BlockChain&, int64_t /*cut*/) {}
  /// Trained and validated. A solved head is an epoch without steps.
  virtual void epoch_ended(const EpochResult&) {}
};

using Techniques = std::vector<std::unique_ptr<Technique>>;

/// mixup       Zhang et al. 2018, eq. 1: lambda ~ Beta(alpha, alpha), x and
///             targets become lambda a + (1 - lambda) b, b the batch in random
///             order. Of kept activations: Verma et al. 2019.
/// cutmix      Yun et al. 2019: a rectangle of area 1 - lambda at a random
///             place comes from b; targets by the share that is left of a.
///             Where x has no places (features) it is mixup.
/// l1          adds l1 sign(w) to the gradients of the weights that decay
/// curves      CurveWriter's, beside the model `curves_beside`; "" for none
/// Random numbers from LibTorch's generator.
Techniques make_techniques(const OptimOptions& optim, const MixOptions& mix,
                           int64_t classes,
                           const std::string& curves_beside = "");

}  // namespace engraft
