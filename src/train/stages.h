#pragma once

#include <optional>
#include <string>

#include "stopwatch.h"
#include "train/best_weights.h"
#include "train/cut_features.h"
#include "train/epoch_progress.h"
#include "train/other_weights.h"
#include "train/steps.h"
#include "train/tally.h"

namespace engraft {

/// The stages of a run, epoch by epoch: what each epoch trains, validates,
/// keeps and reports. Which stages there are, and whose weights stay, is Fit's.
class Stages {
 public:
  /// All must outlive it. What epochs leave is noted in `result`.
  Stages(LiveChain& live, const BlockChain& chain, const FitSettings& settings,
         const TrainCallbacks& callbacks, FitResult& result);

  CutFeatures& features() { return features_; }
  BestWeights& best() { return best_; }

  /// Neither stopped by the user nor by a loss that is no number.
  bool going_on() const {
    return !result_.interrupted && result_.diverged.empty();
  }

  /// Begins another try, in which no blocks were live yet.
  void begin_try() { blocks_began_ = false; }
  bool blocks_began() const { return blocks_began_; }

  /// The head as the optimum on the features before it, as epoch 1.
  void solve();

  /// So many epochs with one optimizer and one course of the rate.
  struct Stage {
    std::string name;
    int64_t cut = 0, epochs = 0;
    int64_t after = 0;  ///< epochs of the stages that are sure to follow
    RateShare rate;     ///< of the plan's, that its course begins with
    /// Ends where the loss of live blocks stays above that of guessing: its
    /// other epochs are not worth their time where smaller steps are to come.
    bool ends_collapsed = false;
  };
  void run(const Stage& stage);

  /// What the epochs that were yield besides their own weights.
  void finish_others();

 private:
  /// While it lives, the user's wish to stop is not heard.
  struct IgnoreStop {
    explicit IgnoreStop(Stages& stages) : stages(stages) {
      stages.ignore_stop_ = true;
    }
    ~IgnoreStop() { stages.ignore_stop_ = false; }
    Stages& stages;
  };

  void run_epoch(const Stage& stage, int64_t epoch);
  bool train_epoch(EpochResult& now);
  /// step_pictures  that the step has in all its batches
  bool add_gradient(const Batches::Batch& batch, int64_t step_pictures,
                    Tally& tally, const EpochResult& now);
  void finish_epoch(EpochResult& now, const Stopwatch& watch, double waited);
  void look_for_collapse();
  void diverge(const std::string& what, int64_t epoch);

  /// The epoch's training batches, again and again.
  TrainingSteps::NextBatch batches_of(int64_t epoch);
  int64_t steps_in_epoch() const;
  int64_t num_classes() const { return settings_.folder.num_classes(); }

  /// Nullopt when the user stopped it or it is no number.
  std::optional<Validation> validate(int64_t epoch);
  /// The running statistics of live batch norms belong to the weights that
  /// were, not to an average of them: taken anew from pictures of this epoch.
  bool measure_batch_norms(int64_t epoch);

  bool stopped();
  void report(const char* phase, int64_t epoch, const Tally& tally,
              int64_t images, const Stopwatch& watch) const;

  LiveChain& live_;
  const BlockChain& chain_;
  const FitSettings& settings_;
  const TransferPlan& plan_;
  const OptimOptions& options_;
  const TrainCallbacks& callbacks_;
  FitResult& result_;
  CutFeatures features_;
  BestWeights best_;
  TrainingSteps steps_;
  OtherWeights others_;
  bool ignore_stop_ = false;
  bool blocks_began_ = false;
  int64_t stage_begins_ = 1;  ///< its first epoch
  int64_t stage_ends_ = 0;    ///< its last epoch, unless patience ends it
  EpochProgress progress_;
};

}  // namespace engraft
