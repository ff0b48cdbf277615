#pragma once

#include <string>
#include <vector>

#include "engraft/data/loader.h"
#include "engraft/train/live_chain.h"
#include "engraft/train/trainer.h"

namespace engraft {

/// What fit() leaves behind; the chain holds the best epoch's weights.
struct FitResult {
  std::vector<EpochResult> epochs;
  int64_t best_epoch = 0;  ///< 0 when none was finished
  bool interrupted = false, early_stopped = false;
  std::string diverged;
  /// Centre-crop logits float32 [N, classes] and labels int64 [N] of the
  /// validation pictures in the best epoch; undefined without such pictures.
  torch::Tensor val_logits, val_labels;
};

/// The training loop: the head alone for plan.head_epochs, then the blocks
/// from plan.freeze_until on. The best epoch is that of the highest
/// validation accuracy, the lower validation loss among equals, the last one
/// without validation pictures.
FitResult fit(LiveChain& live, const BlockChain& chain,
              const ImageFolder& folder, const InputSpec& input,
              const TransferPlan& plan, const OptimOptions& options,
              const RunOptions& run, const TrainCallbacks& callbacks);

/// Weights of the loss, float32 [classes]; undefined for none. balanced:
/// total / (classes x count of the class), 0 for a class without pictures.
torch::Tensor class_weights(ClassWeights kind,
                            const std::vector<int64_t>& counts);

/// Temperature T that minimises the mean negative log likelihood of
/// softmax(logits / T) (Guo et al. 2017, sec. 4.2), in [0.05, 20]; 1 for no
/// pictures. logits [N, C], labels int64 [N].
double fit_temperature(const torch::Tensor& logits,
                       const torch::Tensor& labels);

}  // namespace engraft
