#pragma once

#include <memory>

#include "engraft/model/chain.h"
#include "engraft/train/search.h"

namespace engraft {

/// Trials are of several models, which plan for themselves.
bool searches_models(const SearchSpace& space);

/// What the options of a trial come to on one model and plan.
class TrialMeaning {
 public:
  /// planned  of the same model and `fixed`, as for a head trained by steps
  ///          unless `fixed` has all heads solved for
  TrialMeaning(const TrainOptions& fixed, const PlanResult& planned,
               const SearchSpace& space);

  const BlockChain& chain() const { return chain_; }
  bool other_models() const { return other_models_; }
  /// The fixed options with those of a trial; where its update rule solves for
  /// the head, without those for steps and blocks.
  TrainOptions options(const TrialOptions& trial) const;
  /// The head alone is trained, by L-BFGS, which trains nothing else: so its
  /// rule says it of any model, where the plan of this one says it otherwise.
  bool solved(const TrainOptions& options) const;
  /// Epochs of a whole training by steps.
  int64_t epochs(const TrainOptions& options) const;
  /// Without what has no effect beside the rest: rates where the head is
  /// solved, those of the backbone where it is frozen, blocks where the update
  /// rule is for heads.
  TrialOptions reduce(TrialOptions trial) const;
  /// `share` of the epochs and of the head's own, two at least. Of a solved
  /// head nothing changes.
  void shorten(TrainOptions& options, double share) const;

 private:
  bool only_head(const TrainOptions& options) const;

  TrainOptions fixed_;
  BlockChain chain_;
  TransferPlan plan_;
  bool linear_, other_models_;
};

}  // namespace engraft
