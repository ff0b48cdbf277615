#include "engraft/train/options.h"

namespace engraft {

void TrainOptions::validate() const {
  check_ranges(*this);
  base.validate();
  optim.validate();
  schedule.validate();
  regularise.validate();
  mix.validate();
  view.validate();
  if (optim.find_lr && (base.plan.lr || base.plan.backbone_lr))
    fail(Fault::usage,
         "--find-lr finds the rates that --lr and --backbone-lr would give: "
         "leave one of them out");
  if (optim.precision == TrainPrecision::bf16 &&
      base.plan.freeze_until == "all")
    fail(Fault::usage,
         "--precision bf16 is for live blocks, and --freeze-until all leaves "
         "none");
  const auto needs_steps = [&](bool asked, const char* flag) {
    if (asked && optim.optimizer == OptimizerKind::lbfgs)
      fail(Fault::usage, flag,
           " goes by steps, and --optimizer lbfgs does not");
  };
  needs_steps(optim.find_lr, "--find-lr");
  needs_steps(optim.l1 > 0, "--l1");
  needs_steps(mix.mixup > 0, "--mixup");
  needs_steps(mix.cutmix > 0, "--cutmix");
  needs_steps(mix.average != WeightAverage::none, "--weight-average");
  needs_steps(mix.snapshots > 0, "--snapshots");
  needs_steps(regularise.head_dropout > 0, "--head-dropout");
  needs_steps(regularise.drop_connect > 0, "--drop-connect");
  if (mix.snapshots > 0 && schedule.schedule != ScheduleKind::cosine &&
      schedule.schedule != ScheduleKind::restarts)
    fail(Fault::usage,
         "--snapshots lets the rate fall by --schedule restarts, ", "not by ",
         name_of(schedule.schedule));
  if (mix.snapshots > 0 && schedule.cycles && *schedule.cycles != mix.snapshots)
    fail(Fault::usage, "--snapshots ", mix.snapshots, " are ", mix.snapshots,
         " cycles, not --cycles ", *schedule.cycles);
  require(out, "--out", "the file to write the fine-tuned model to");
}

bool TrainOptions::by_steps() const {
  return optim.find_lr || optim.l1 > 0 || mix.any() ||
         regularise.head_dropout > 0 || regularise.drop_connect > 0;
}

}  // namespace engraft
