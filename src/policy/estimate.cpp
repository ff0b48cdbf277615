#include "policy/estimate.h"

#include <algorithm>
#include <numeric>

#include "policy/training_pictures.h"

namespace engraft {
namespace {

/// Of what the blocks [0, cut) do, as a share of all blocks.
double share_in_front(const PlanInputs& inputs, int64_t cut) {
  const auto& work = inputs.block_work;
  const double all = std::accumulate(work.begin(), work.end(), 0.0);
  return all > 0 ? std::accumulate(work.begin(), work.begin() + cut, 0.0) / all
                 : 1;
}

}  // namespace

double estimate_seconds(const PlanInputs& inputs, const TransferPlan& plan) {
  const Speed& speed = *inputs.speed;
  const auto train = static_cast<double>(training_pictures(inputs));
  const auto val = static_cast<double>(inputs.val_pictures);
  const double frozen = share_in_front(inputs, plan.freeze_until);
  // Decoding is hidden behind what takes longer.
  const auto through = [&](double share) {
    return std::max(share * speed.inference, speed.decode);
  };
  const auto views = static_cast<double>(plan.views);
  const auto stepped =
      static_cast<double>(plan.epochs - (plan.solved_head ? 1 : 0));
  double out = speed.fixed;
  if (plan.proof) out += (train + val) * through(1);
  out += (train * (plan.views > 0 ? views : stepped) + val) * through(frozen);
  out += train * stepped * (1 - frozen) * speed.training;
  out += val * stepped * (1 - frozen) * speed.inference;
  for (const DeeperStage& stage : plan.deeper) {
    const double before = share_in_front(inputs, stage.cut);
    const auto epochs = static_cast<double>(stage.epochs);
    const auto passes =
        static_cast<double>(stage.views > 0 ? stage.views : stage.epochs);
    out += (train * passes + val) * through(before);
    out += epochs * (1 - before) *
           (train * speed.training + val * speed.inference);
  }
  const auto tested =
      static_cast<double>(inputs.val_pictures + inputs.test_pictures);
  return out + tested * static_cast<double>(plan.test_crops) * speed.inference;
}

}  // namespace engraft
