#pragma once

#include <string>
#include <vector>

#include "engraft/data/augment.h"
#include "engraft/data/image_folder.h"
#include "engraft/json.h"
#include "engraft/options.h"
#include "engraft/policy/similarity.h"

namespace engraft {

/// What choose_plan looks at: numbers only, no tensor.
struct PlanInputs {
  std::vector<int64_t> images_per_class;  ///< training pictures, [classes]
  Similarity similarity;
  int64_t num_blocks = 0;                  ///< of the chain, without the head
  std::vector<int64_t> block_parameters;   ///< [num_blocks]
  std::vector<int64_t> block_outputs;      ///< elements a picture, [num_blocks]
  int64_t input_elements = 0;              ///< of one image
  int64_t cache_bytes = int64_t{4} << 30;  ///< that activations may take
  bool frozen_graph = false;               ///< only the head can be trained
  /// The head is solved by L-BFGS on all its features at once, not in epochs.
  bool solved_head = true;
  /// Also where blocks are trained after it. An optimum on features that do
  /// not move has large weights, which the batch statistics and dropout of
  /// training throw off (sign digits: loss 0.07 before, 11 in the first epoch
  /// of the blocks), so that is for those who ask for it.
  bool solved_before_blocks = false;
};

/// One decision with the sentence that justifies it.
struct Reason {
  std::string decision, value, because;
};

/// What to train and how, in plain values.
struct TransferPlan {
  SizeClass size = SizeClass::small;
  Similarity similarity;
  int64_t freeze_until = 0;  ///< blocks [0, freeze_until) stay as they are
  bool solved_head = true;   ///< L-BFGS in the head's epochs
  int64_t head_epochs = 0;   ///< the head alone
  int64_t epochs = 0;        ///< in all, the head's included
  /// Random views of a picture: epoch e sees view (e - 1) mod views.
  int64_t views = 1;
  int64_t batch_size = 32;
  double head_lr = 0;
  double backbone_lr = 0;  ///< of the last block; 0 when all are frozen
  double block_decay = 1;  ///< factor for each block further in front
  AugmentSettings augment;
  std::vector<Reason> reasons;
};

/// The 2x2 table of CS231n lecture 7 (dataset size x similarity). A pure
/// function. Overrides in `options` win and are named as such in the reasons.
/// freeze_until must be resolved by the caller: `freeze_override`, -1 for auto.
TransferPlan choose_plan(const PlanInputs& inputs, const PlanOptions& options,
                         const AugmentOptions& augment,
                         int64_t freeze_override = -1);

Json to_json(const TransferPlan& plan);

}  // namespace engraft
