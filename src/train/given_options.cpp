#include "train/given_options.h"

#include "engraft/error.h"
#include "model/autocast.h"
#include "train/step_options.h"

namespace engraft {

bool only_solves(const TransferPlan& plan, int64_t blocks) {
  return plan.lowest_cut() == blocks && plan.solved_head;
}

std::optional<GivenStatistics> given_statistics(const TrainOptions& options) {
  using enum BatchNormStatistics;
  if (options.regularise.bn_statistics != automatic)
    return {{options.regularise.bn_statistics, "--bn-statistics"}};
  if (options.regularise.bn_momentum) return {{batch, "--bn-momentum"}};
  if (options.mix.bn_reestimate) return {{batch, "--bn-reestimate"}};
  return std::nullopt;
}

void note_precision(const TrainOptions& options, int64_t blocks,
                    PlanResult& planned) {
  if (options.optim.precision != TrainPrecision::bf16) return;
  auto& notes = planned.classifier.notes;
  if (planned.plan.lowest_cut() == blocks)
    notes.push_back("--precision bf16: not used, as the head alone is trained");
  else if (resolve_device(options.base.run.device).is_cpu() && !has_bf16())
    notes.push_back(
        "--precision bf16: this processor only emulates it; f32 is faster");
}

void note_unused(const TrainOptions& options, bool steps, int64_t blocks,
                 PlanResult& planned) {
  const Json given = to_json(options), initial = to_json(TrainOptions());
  std::string names;
  const auto look = [&](const std::vector<std::string>& all) {
    for (const std::string& name : all)
      // These have their own words: in the plan, and in note_precision.
      if (name != "epochs" && name != "precision" &&
          given.at(name) != initial.at(name))
        names += (names.empty() ? "--" : ", --") + name;
  };
  std::string why;
  if (only_solves(planned.plan, blocks)) {
    look(step_options());
    why =
        "the head alone is trained, by L-BFGS at once; --optimizer adam "
        "trains it by steps, --freeze-until with a block others too";
  } else if (planned.plan.lowest_cut() == blocks) {
    look({"backbone-lr", "block-decay", "head-epochs"});
    why =
        "the head alone is trained; --freeze-until with a block trains others "
        "too";
  }
  const auto note = [&] {
    if (!names.empty())
      planned.classifier.notes.push_back(names + ": not used, as " + why);
    names.clear();
  };
  note();
  if (planned.plan.solved_head) return;
  look({"head-l2"});
  why = steps ? "what else is asked for takes a head trained by steps"
              : "the head is trained by steps";
  note();
}

void refuse_cutmix(const TrainOptions& options, const BlockChain& chain,
                   int64_t cut) {
  if (options.mix.cutmix == 0) return;
  int64_t last = cut;  // before which there still are places
  const auto has_places = [&](const std::vector<int64_t>& size) {
    constexpr int64_t kSide = 4;  // below, most rectangles are empty
    return size.size() == 3 && size[1] >= kSide && size[2] >= kSide;
  };
  while (last > 0 && !has_places(chain.block(last - 1).output_size)) --last;
  if (last < cut)
    fail(Fault::usage, "--cutmix pastes rectangles, and before block ", cut,
         ", from which on is trained, features are no pictures any more: give "
         "--freeze-until ",
         last,
         " or a block before it, or --mixup, which "
         "blends any features");
}

void refuse_reestimate(const TrainOptions& options, const BlockChain& chain,
                       int64_t cut) {
  if (!options.mix.bn_reestimate || !chain.running_statistics(cut).empty())
    return;
  fail(Fault::usage, "--bn-reestimate: training moves the statistics of no ",
       "batch norm from block ", cut, " on, where the model is trained");
}

}  // namespace engraft
