#include "engraft/train/rank.h"

#include <algorithm>
#include <cmath>

#include "train/measure_speed.h"
#include "train/more_accurate.h"

namespace engraft {
namespace {

RankedModel look_at(const PlanCommandOptions& options,
                    const TrainCallbacks& callbacks, const ImageFolder& found) {
  RankedModel out;
  PlannedRun run;
  run.found = &found;
  out.plan = make_plan(options, callbacks, run);
  if (!out.plan.plan.evidence.measured())
    fail(Fault::data, found.root, ": ", out.plan.model,
         ": models are compared by probes, which take blocks to cut behind, "
         "and two training pictures in a class, more in most of them");
  out.compared = out.plan.plan.evidence;
  BlockChain chain(out.plan.classifier);
  for (int64_t i = 0; i < chain.num_blocks(); ++i)
    out.parameters += chain.block(i).num_parameters;
  chain.to(resolve_device(options.run.device));
  out.milliseconds = 1e3 * time_inference(chain, out.plan.classifier.input,
                                          found.train, options.run);
  return out;
}

/// Compares all by as many pictures: of more a probe learns more.
void look_at_as_many(const PlanCommandOptions& options,
                     const TrainCallbacks& callbacks, const ImageFolder& found,
                     std::vector<RankedModel>& models) {
  PlannedRun run;
  run.found = &found;
  const auto pictures = [](const RankedModel& model) {
    return model.compared.pictures;
  };
  run.most_pictures = pictures(*std::ranges::min_element(models, {}, pictures));
  for (RankedModel& model : models) {
    if (model.compared.pictures == run.most_pictures) continue;
    PlanCommandOptions one = options;
    one.model = model.plan.model;
    one.plan.time = "0";
    model.compared = make_plan(one, callbacks, run).plan.evidence;
  }
}

bool ranks_before(const RankedModel& a, const RankedModel& b) {
  return is_more_accurate(a.compared.depths.back(), b.compared.depths.back());
}

}  // namespace

std::vector<RankedModel> rank_models(const PlanCommandOptions& options,
                                     const std::vector<std::string>& models,
                                     const TrainCallbacks& callbacks) {
  options.validate();
  if (options.plan.freeze_until != "auto")
    fail(Fault::usage, "--freeze-until ", options.plan.freeze_until,
         " goes with one --model: several are compared by probes, which are "
         "not asked where it is said what is frozen");
  const ImageFolder found =
      scan_image_folder(options.data, options.data_options, options.run.threads,
                        cache_folder(options.cache));
  std::vector<RankedModel> out;
  for (const std::string& model : models) {
    PlanCommandOptions one = options;
    one.model = model;
    out.push_back(look_at(one, callbacks, found));
  }
  look_at_as_many(options, callbacks, found, out);
  std::ranges::stable_sort(out, ranks_before);
  const Evidence& best = out.front().compared;
  for (RankedModel& model : out) {
    const Evidence& own = model.compared;
    model.within_noise = best.accuracy() - own.accuracy() <=
                         std::hypot(best.accuracy_error, own.accuracy_error);
  }
  return out;
}

Json to_json(const std::vector<RankedModel>& ranked) {
  Json out = Json::array();
  for (const RankedModel& model : ranked) {
    const Evidence& e = model.compared;
    Json row = to_json(model.plan);
    row["pictures"] = e.pictures;
    row["accuracy"] = e.accuracy();
    row["accuracy_error"] = e.accuracy_error;
    row["loss"] = e.depths.back().loss;
    row["log_me"] = e.log_me;
    row["parameters"] = model.parameters;
    row["milliseconds"] = model.milliseconds;
    row["within_noise"] = model.within_noise;
    out.push_back(row);
  }
  return {{"models", out}};
}

}  // namespace engraft
