#pragma once

#include <string>
#include <vector>

#include "engraft/data/augment.h"
#include "engraft/data/crops.h"
#include "engraft/data/image_folder.h"
#include "engraft/json.h"
#include "engraft/model/regularise.h"
#include "engraft/options.h"
#include "engraft/policy/evidence.h"
#include "engraft/policy/similarity.h"

namespace engraft {

/// What parts of a run cost on this machine, in seconds.
struct Speed {
  double fixed = 0;      ///< spent before training, and for loading and saving
  double decode = 0;     ///< a view of a picture, all threads together
  double inference = 0;  ///< a picture through all frozen blocks
  double training = 0;   ///< a picture forward and backward through all blocks
};

/// What the user's flags say of the batch norms that train.
struct GivenStatistics {
  BatchNormStatistics statistics;
  std::string flag;  ///< that says so
};

/// What choose_plan looks at: numbers only, no tensor.
struct PlanInputs {
  std::vector<int64_t> images_per_class;  ///< training pictures, [classes]
  Similarity similarity;
  Evidence evidence;                      ///< may be unmeasured
  int64_t num_blocks = 0;                 ///< of the chain, without the head
  std::vector<int64_t> block_parameters;  ///< [num_blocks]
  std::vector<int64_t> block_outputs;     ///< elements a picture, [num_blocks]
  std::vector<double> block_work;         ///< multiplications, [num_blocks]
  /// BlockChain::batch_norm_momenta, [num_blocks].
  std::vector<std::vector<double>> batch_norms;
  std::vector<int64_t> layer_norms;  ///< of each block, [num_blocks]
  std::optional<GivenStatistics> bn_statistics;
  int64_t input_elements = 0;              ///< of one image
  int64_t cache_bytes = int64_t{4} << 30;  ///< that activations may take
  bool frozen_graph = false;               ///< only the head can be trained
  /// The head is solved by L-BFGS on all its features at once, not in epochs.
  bool solved_head = true;
  /// The update rule that was asked for is none for blocks.
  bool only_head = false;
  /// What training was measured to cost, for a budget of `seconds`.
  std::optional<Speed> speed;
  double seconds = 0;  ///< the run may take; 0 for no limit
  /// Pictures that validation and testing look at.
  int64_t val_pictures = 0, test_pictures = 0;
  std::optional<int64_t> test_crops;  ///< that were asked for
  bool balanced = false;  ///< classes count alike, however many pictures
};

/// One decision with the sentence that justifies it.
struct Reason {
  std::string decision, value, because;
};

/// More blocks, trained when those before have proved themselves.
struct DeeperStage {
  int64_t cut = 0, epochs = 0, views = 0;
  double rate = 1;          ///< of the plan's rates
  double proof_errors = 1;  ///< by which it must be better, as in TransferPlan
};

/// What to train and how, in plain values.
struct TransferPlan {
  SizeClass size = SizeClass::small;
  Similarity similarity;
  Evidence evidence;
  /// The head is solved first, and what is trained after it must be better, by
  /// more than proof_errors standard errors; below 0, not less accurate by as
  /// many (PairedTest::better).
  bool proof = false;
  double proof_errors = 1;
  /// Blocks that diverge, collapse or end clearly less accurate than the head
  /// alone are trained anew at smaller rates, so often at most.
  int64_t retries = 0;
  double retry_rate = 0.2;  ///< of the backbone's rate of the try before
  /// Of the backbone's rate, in a second try of the blocks from the beginning,
  /// by pretraining's statistics, where the first one needed no smaller rates.
  /// It stays where it is not less accurate than that (stopped, where it is
  /// better by a standard error); where that did not stay, by proof_errors.
  /// Takes a proof and validation pictures.
  std::optional<double> second_try_rate;
  std::vector<DeeperStage> deeper;
  int64_t freeze_until = 0;  ///< blocks [0, freeze_until) stay as they are
  bool solved_head = true;   ///< L-BFGS in the head's epochs
  int64_t head_epochs = 0;   ///< the head alone
  int64_t epochs = 0;        ///< in all, the head's included
  /// Random views of a picture: epoch e sees view (e - 1) mod views.
  int64_t views = 1;
  /// One view of a solved head is the evaluation view.
  bool evaluation_view = false;
  int64_t batch_size = 32;
  double head_lr = 0;
  double backbone_lr = 0;  ///< of the last block; 0 when all are frozen
  double block_decay = 1;  ///< factor for each block further in front
  /// What live batch norms normalise by while they train, but in a second try.
  BatchNormStatistics bn_statistics = BatchNormStatistics::batch;
  AugmentSettings augment;
  int64_t test_crops = kTenCrops;  ///< of a test
  int64_t own_crops = kTenCrops;   ///< where none were asked for
  std::vector<Reason> reasons;
  std::vector<std::string> advice;  ///< to the user, in plain words
  double seconds = 0;               ///< that it will take; 0 when unknown

  /// The first block that any stage trains.
  int64_t lowest_cut() const {
    return deeper.empty() ? freeze_until : deeper.back().cut;
  }
};

/// The 2x2 table of CS231n lecture 7 (dataset size x similarity) says what
/// would be trained, but never more than a last third of the blocks; the
/// evidence, where it was measured, whether that can pay (head room), and a
/// budget how much of it fits. A pure function. Overrides in
/// `options` win and are named as such in the reasons. freeze_until must be
/// resolved by the caller: `freeze_override`, -1 for auto.
TransferPlan choose_plan(const PlanInputs& inputs, const PlanOptions& options,
                         const AugmentOptions& augment,
                         int64_t freeze_override = -1);

Json to_json(const TransferPlan& plan);

}  // namespace engraft
