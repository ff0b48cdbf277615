#pragma once

#include "engraft/policy/plan.h"
#include "policy/decisions.h"

// What choose_plan decides, part by part, each with its reason. The parts are
// called in this order, because each looks at the plan as far as it is.

namespace engraft {

/// Share of the blocks, from the input on, that stays frozen where the plan
/// trains any.
constexpr double kFrozenShare = 2.0 / 3;

/// Random views of a picture that a solved head learns from.
constexpr int64_t kSolvedViews = 3;

/// What follows from a quadrant of the 2x2 table.
struct Quadrant {
  SizeClass size;
  SimilarityClass similarity;
  bool blocks;  ///< are trained, the last ones; else the head alone
  AugmentStrength augment;
  int64_t pictures;  ///< training pictures that the run should see, about
  int64_t min_epochs, max_epochs;
  const char* why_frozen;
};

/// How far a budget cuts a plan down, in the order in which it does.
struct Cut {
  double passes = 1;   ///< share of the epochs
  bool blocks = true;  ///< else the head alone
  int64_t views = kSolvedViews;
  bool second_try = false;  ///< of these, by other statistics
  bool deeper = false;      ///< more blocks after those
};

/// A plan that is being made, and all that its decisions look at.
struct Planning {
  const PlanInputs& inputs;
  const PlanOptions& options;
  const Quadrant& quadrant;
  const Cut& cut;
  int64_t total;  ///< training pictures
  TransferPlan& plan;
  Decisions& decisions;

  /// Whether any block is trained, once decide_blocks has said it.
  bool live() const { return plan.freeze_until < inputs.num_blocks; }
  /// Nothing is trained by steps, once decide_epochs has said it.
  bool only_solves() const { return !live() && plan.solved_head; }
};

/// Of a plan that trains blocks: these get one behind those that are asked for
/// the head.
inline int64_t least_epochs(const PlanOptions& options) {
  return options.head_epochs.value_or(0) + 1;
}

/// What is frozen.
/// \param override_until  what was asked for; -1 for nothing
void decide_blocks(const Planning& p, int64_t override_until);

/// Whether the head is solved, what trained blocks must show, and the epochs.
/// \throws Error  Fault::usage if more epochs of the head than in all are asked
///         for
void decide_epochs(const Planning& p);

/// Pictures in a step.
void decide_batch(const Planning& p);

/// Strength and kinds of augmentation, and the views of a test: none that takes
/// the class away.
void decide_augment(const Planning& p, const AugmentOptions& augment);

/// Views that pass the frozen blocks once each.
void decide_views(const Planning& p);

/// More blocks, when those before prove themselves.
void decide_deeper(const Planning& p);

/// What the batch norms of all stages normalise by; nothing where there is
/// none.
void decide_statistics(const Planning& p);

/// Learning rates.
void decide_rates(const Planning& p);

/// Views of a picture before block `cut` that the cache takes.
int64_t views_that_fit(const Planning& p, int64_t cut);

}  // namespace engraft
