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
  // Decoding is hidden behind what takes longer.
  const auto through = [&](double share) {
    return std::max(share * speed.inference, speed.decode);
  };
  const auto steps = [&](int64_t cut, int64_t epochs) {
    return static_cast<double>(epochs) * (1 - share_in_front(inputs, cut)) *
           (train * speed.training + val * speed.inference);
  };
  const auto stage = [&](int64_t cut, int64_t views, int64_t epochs) {
    // Without views each epoch takes its own; a solved head takes one.
    const auto passes =
        static_cast<double>(views > 0 ? views : std::max<int64_t>(epochs, 1));
    return (train * passes + val) * through(share_in_front(inputs, cut)) +
           steps(cut, epochs);
  };
  double out = speed.fixed;
  if (plan.proof) out += (train + val) * through(1);
  out += stage(plan.freeze_until, plan.views,
               plan.epochs - (plan.solved_head ? 1 : 0));
  if (plan.second_try_rate)
    out += plan.views > 0 ? steps(plan.freeze_until, plan.epochs - 1)
                          : stage(plan.freeze_until, 0, plan.epochs - 1);
  for (const DeeperStage& deeper : plan.deeper)
    out += stage(deeper.cut, deeper.views, deeper.epochs);
  const auto tested =
      static_cast<double>(inputs.val_pictures + inputs.test_pictures);
  return out + tested * static_cast<double>(plan.test_crops) * speed.inference;
}

}  // namespace engraft
