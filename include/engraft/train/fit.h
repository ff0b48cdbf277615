#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engraft/data/loader.h"
#include "engraft/features/activations.h"
#include "engraft/features/head_solver.h"
#include "engraft/policy/evidence.h"
#include "engraft/train/live_chain.h"
#include "engraft/train/precision.h"
#include "engraft/train/rate_finder.h"
#include "engraft/train/trainer.h"

namespace engraft {

/// Weights at the end of a cycle of the rate.
struct FitSnapshot {
  LiveChain::Snapshot state;
  SnapshotFigures figures;
  double temperature = 1;  ///< of its own probabilities
};

/// What training yields besides the weights of its epochs, where it was asked
/// for.
struct OtherResults {
  std::vector<int64_t> soup;  ///< epochs in it, the best first
  SnapshotFigures soup_figures;
  std::vector<FitSnapshot> snapshots;
  SnapshotFigures ensemble;  ///< of the mean of the snapshots' probabilities
  std::optional<MeasuredBatchNorms> batch_norms;
  std::vector<std::string> notes;  ///< of what was asked for and is not there
};

/// What fit() leaves behind; the chain holds the best epoch's weights.
struct FitResult {
  std::vector<EpochResult> epochs;
  int64_t best_epoch = 0;  ///< 0 when none was finished
  bool interrupted = false;
  bool early_stopped = false;  ///< the last stage, by patience
  std::string diverged;
  std::optional<HeadSolution> head;         ///< of a solved head
  std::vector<RateCurve> rate_curves;       ///< of --find-lr, one a stage
  std::vector<PrecisionChoice> precisions;  ///< one a stage of live blocks
  OtherResults others;
  std::vector<StageProof> proofs;  ///< in their order
  StepsTaken steps;
  ActivationStats activations;
  std::vector<std::string> notes;
  /// Centre-crop logits float32 [N, classes] and labels int64 [N] of the
  /// validation pictures in the best epoch; undefined without such pictures.
  torch::Tensor val_logits, val_labels;
  double val_seconds = 0;  ///< that computing these took
};

/// Everything fit() needs to know besides the chain.
struct FitSettings {
  const ImageFolder& folder;
  const InputSpec& input;
  const TransferPlan& plan;
  const OptimOptions& optim;
  const ScheduleOptions& schedule;
  const MixOptions& mix;
  const RunOptions& run;
  const CacheOptions& cache;
  const KnownFeatures* known = nullptr;  ///< of training pictures, or null
  std::string model;                     ///< for people who look into the cache
  std::string curves_beside;             ///< as make_techniques takes it
};

/// Trains: what the frozen blocks give is computed once (Activations), unless
/// plan.views is 0; then the head alone for plan.head_epochs, solved by L-BFGS
/// where the plan says so, which takes a linear layer, else in epochs; then the
/// blocks from plan.freeze_until on. Epoch e sees view (e - 1) mod plan.views
/// of each picture.
///
/// Where plan.proof says so the head is solved first, on one view, and put
/// aside; training begins anew with a fresh head, and its best epoch stays only
/// when it is better than the head alone by plan.proof_errors (PairedTest).
/// Where they diverge, or end less accurate than the head alone by more than
/// two standard errors, they are trained again from the beginning at
/// plan.retry_rate of their rate, and so on where they still do not stay,
/// plan.retries times at most; a try whose training loss stays above that of
/// guessing evenly ends there, unless it is the last. Where none was needed,
/// plan.second_try_rate brings another try from the same beginning. So it goes
/// with each of plan.deeper, from the weights that are there, with its own
/// rates and proof, each tried once, until one does not prove itself. The best
/// epoch is the last one that is not less accurate, by a standard error
/// (McNemar's) on the validation pictures, than the most accurate one.
FitResult fit(LiveChain& live, const BlockChain& chain,
              const FitSettings& settings, const TrainCallbacks& callbacks);

/// Weights of the loss, float32 [classes]; undefined for none. balanced:
/// total / (classes x count of the class), 0 for a class without pictures.
torch::Tensor class_weights(ClassWeights kind,
                            const std::vector<int64_t>& counts);

}  // namespace engraft
