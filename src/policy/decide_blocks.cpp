#include <algorithm>
#include <cmath>
#include <string>

#include "policy/head_room.h"
#include "policy/planning.h"

namespace engraft {
namespace {

// A stage of more blocks. At the rates of the stage before it threw clip art
// off. At less it was kept with rubbish (0.5 points more), refused with sign
// digits, and cost 0.5 and 1.2 points where 1000 clothes had won by less than
// one standard error: hence as many are asked for, and none of it by default.
constexpr int64_t kDeeperEpochs = 6, kDeeperViews = 2;
constexpr double kDeeperRate = 0.3, kDeeperErrors = 1;

std::string why_not_probed(const PlanInputs& inputs) {
  if (std::ssize(inputs.images_per_class) > kMostProbedClasses)
    return text("features are not probed for more than ", kMostProbedClasses,
                " classes");
  return "it takes more pictures a class to probe the features";
}

}  // namespace

void decide_blocks(const Planning& p, int64_t override_until) {
  double share = p.quadrant.blocks ? kFrozenShare : 1;
  std::string why = p.quadrant.why_frozen;
  if (p.inputs.evidence.measured()) {
    const Worth worth = judge_worth(p.inputs);
    why = worth.why;
    share = worth.training ? kFrozenShare : 1;
  } else {
    why += ". This is the table alone: " + why_not_probed(p.inputs);
  }
  int64_t own = std::llround(share * static_cast<double>(p.inputs.num_blocks));
  if (share < 1 && own == p.inputs.num_blocks)
    why += "; of a model of one block no part can be trained, though";
  if (!p.cut.blocks && own < p.inputs.num_blocks) {
    own = p.inputs.num_blocks;
    why = "training blocks would take more than --time " + p.options.time;
  }
  if (p.inputs.only_head) {
    own = p.inputs.num_blocks;
    why = "--optimizer lbfgs solves for the head, and trains no blocks";
  }
  if (p.inputs.frozen_graph) {
    own = p.inputs.num_blocks;
    why = "the graph is frozen: only its head is left";
  }
  p.plan.freeze_until = override_until >= 0 ? override_until : own;
  if (override_until >= 0)
    why = "given: --freeze-until " + p.options.freeze_until;
  const int64_t live = p.inputs.num_blocks - p.plan.freeze_until;
  int64_t live_parameters = 0, parameters = 0;
  for (int64_t i = 0;
       i < static_cast<int64_t>(p.inputs.block_parameters.size()); ++i) {
    parameters += p.inputs.block_parameters[i];
    if (i >= p.plan.freeze_until)
      live_parameters += p.inputs.block_parameters[i];
  }
  const int64_t percent =
      parameters ? std::llround(100.0 * live_parameters / parameters) : 0;
  std::string value =
      text("blocks 0-", p.plan.freeze_until - 1, " of ", p.inputs.num_blocks);
  if (live == 0)
    value = p.inputs.num_blocks == 1
                ? "the only block"
                : text("all ", p.inputs.num_blocks, " blocks");
  else if (p.plan.freeze_until == 0)
    value = "nothing";
  if (live > 0 && p.plan.freeze_until > 0 && override_until < 0)
    why += text(" (", percent, " % of the backbone's weights are trained)");
  p.decisions.add("frozen", value, why);
}

void decide_deeper(const Planning& p) {
  if (!p.options.deeper) return;
  const int64_t first = p.plan.freeze_until / 2;
  if (!p.plan.proof || first < 1) {
    p.decisions.add(
        "deeper", "no",
        p.plan.proof
            ? "too few blocks are frozen for another stage"
            : "no blocks are trained that have to prove themselves first");
    return;
  }
  if (!p.cut.deeper) {
    p.decisions.add("deeper", "no",
                    "more than what fits into --time " + p.options.time);
    return;
  }
  const int64_t views = is_random(p.plan.augment) ? kDeeperViews : 1;
  p.plan.deeper = {{first, kDeeperEpochs,
                    std::clamp<int64_t>(views_that_fit(p, first), 0, views),
                    kDeeperRate, kDeeperErrors}};
  p.decisions.add(
      "deeper", text("from block ", first, " on"),
      text("given: --deeper; ", kDeeperEpochs, " epochs more at ", kDeeperRate,
           " of the rates, if the blocks before stay, and kept if better than "
           "they by ",
           kDeeperErrors, " s.e."));
}

}  // namespace engraft
