#include "engraft/train/options.h"

#include <algorithm>

#include "train/step_options.h"

namespace engraft {
namespace {

/// What says how to go by steps, where the head is solved for.
void refuse_steps(const TrainOptions& options) {
  const Json given = to_json(options), initial = to_json(TrainOptions());
  for (const std::string& name : step_options())
    if (given.at(name) != initial.at(name))
      refuse_step_option("--" + name, name);
}

}  // namespace

void refuse_step_option(const std::string& flag, const std::string& name) {
  fail(Fault::usage, flag,
       " is for training by steps, and --optimizer lbfgs solves for the head "
       "at once: leave one of them out",
       name == "epochs" ? " (--views K takes so many views of each picture)"
                        : "");
}

const std::vector<std::string>& step_options() {
  static const std::vector<std::string> names = [] {
    // What of the planned, and what a solved head looks at too.
    std::vector<std::string> out{"epochs",      "lr",          "backbone-lr",
                                 "block-decay", "head-epochs", "batch-size",
                                 "deeper"};
    const std::vector<std::string> solver{"optimizer", "head-l2",
                                          "label-smoothing", "class-weights"};
    for (const Json& part :
         {to_json(OptimOptions()), to_json(ScheduleOptions()),
          to_json(RegulariserOptions()), to_json(MixOptions())})
      for (const auto& [name, value] : part.items())
        if (!std::ranges::count(solver, name)) out.push_back(name);
    return out;
  }();
  return names;
}

void TrainOptions::validate() const {
  check_ranges(*this);
  base.validate();
  optim.validate();
  ScheduleOptions course = schedule;
  if (mix.snapshots > 0 && course.schedule == ScheduleKind::cosine)
    course.schedule = ScheduleKind::restarts;
  course.validate();
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
  if (optim.optimizer == OptimizerKind::lbfgs) refuse_steps(*this);
  if (mix.snapshots > 0 && schedule.schedule != ScheduleKind::cosine &&
      schedule.schedule != ScheduleKind::restarts)
    fail(Fault::usage,
         "--snapshots lets the rate fall by --schedule restarts, ", "not by ",
         name_of(schedule.schedule));
  if (mix.snapshots > 0 && base.plan.deeper)
    fail(Fault::usage,
         "--snapshots are taken along one course of the rate, and --deeper "
         "begins another: leave one of them out");
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
