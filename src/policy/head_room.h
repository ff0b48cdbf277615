#pragma once

#include <string>

#include "engraft/policy/plan.h"

// What a head on the pretrained features leaves for blocks to win.

namespace engraft {

/// Training pictures that a head on the pretrained features gets wrong, copies
/// of others left out: what there is for blocks to learn.
double open_pictures(const PlanInputs& inputs);

/// Whether these are few (0) or many (1).
double openness(const PlanInputs& inputs);

/// Of accuracy, by training blocks.
double expected_gain(const PlanInputs& inputs);

/// Whether the head alone, on pictures like the model's own, is hardly surer of
/// what it gets right than of what it gets wrong: labels that contradict their
/// pictures are such errors.
bool errs_blindly(const PlanInputs& inputs);

/// Whether training blocks can pay, from what the head alone gets wrong.
struct Worth {
  bool training = false;
  std::string why;
};
Worth judge_worth(const PlanInputs& inputs);

}  // namespace engraft
