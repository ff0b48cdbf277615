#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/data_text.h"
#include "cli/plan_text.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "engraft/train/rank.h"
#include "engraft/train/trainer.h"

namespace engraft::cli {
namespace {

/// How the work was done and what it cost.
std::string verbose_text(const PlanResult& result) {
  std::vector<std::string> parts;
  for (const auto& [phase, seconds] : result.phases)
    parts.push_back(phase + " " + duration(seconds));
  const std::string took = paragraph("took", listed(parts, parts.size()));
  return result.inference
             ? paragraph("inference", result.inference->text()) + took
             : took;
}

int plan_command(const PlanCommandOptions& options, bool json) {
  options.validate();
  Progress progress;
  TrainCallbacks callbacks;
  callbacks.progress = [&](const TrainProgress& now) {
    progress.show("looking at pictures", now.images, now.images_in_epoch);
  };
  const PlanResult result = make_plan(options, callbacks);
  progress.clear();
  for (const auto& text : result.classifier.notes) note(text);
  if (json)
    print_json(std::cout, to_json(result));
  else
    std::cout << data_text(result.folder) << model_line(result.classifier)
              << plan_text(result.plan)
              << (options.run.verbose ? verbose_text(result) : "");
  return 0;
}

std::string ranking_text(const std::vector<RankedModel>& ranked) {
  std::vector<std::vector<std::string>> rows{
      {"model", "head alone", "loss", "LogME", "weights", "ms a picture", ""}};
  for (const RankedModel& model : ranked) {
    const Evidence& e = model.compared;
    rows.push_back(
        {model.plan.model,
         percent(e.accuracy()) + " +- " + fixed(100 * e.accuracy_error, 1),
         fixed(e.depths.back().loss, 3), fixed(e.log_me, 3),
         fixed(static_cast<double>(model.parameters) / 1e6, 1) + " M",
         fixed(model.milliseconds, 1),
         &model == &ranked.front() ? "best"
         : model.within_noise      ? "as good within noise"
                                   : ""});
  }
  return table(rows, "");
}

/// Which of several models suits the data best.
int rank_command(const PlanCommandOptions& options,
                 const std::vector<std::string>& models, bool json) {
  Progress progress;
  TrainCallbacks callbacks;
  callbacks.progress = [&](const TrainProgress& now) {
    progress.show("looking at pictures", now.images, now.images_in_epoch);
  };
  const auto ranked = rank_models(options, models, callbacks);
  progress.clear();
  for (const RankedModel& model : ranked)
    for (const auto& text : model.plan.classifier.notes)
      note(model.plan.model + ": " + text);
  if (json)
    print_json(std::cout, to_json(ranked));
  else
    std::cout << data_text(ranked.front().plan.folder) << ranking_text(ranked)
              << "\nwith the best one\n"
              << model_line(ranked.front().plan.classifier)
              << plan_text(ranked.front().plan.plan)
              << (options.run.verbose ? verbose_text(ranked.front().plan) : "");
  return 0;
}

}  // namespace

void add_plan(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<PlanCommandOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand(
      "plan", "Says what train would do with a folder of images, and why.");
  command->add_option("DATA", options->data,
                      "images: DATA/<class>/..., DATA/train and DATA/val with "
                      "such folders in them, or a CSV file path,label[,split]");
  bind(*command, *options);
  // Several models are compared.
  auto models = std::make_shared<std::vector<std::string>>();
  const std::string help = command->get_option("--model")->get_description();
  command->remove_option(command->get_option("--model"));
  command
      ->add_option("--model", *models,
                   help + "; given several times, the models are ranked")
      ->expected(1, -1)
      ->allow_extra_args(false)
      ->option_text("--model TEXT");
  add_json_flag(*command, *json);
  command->footer("  engraft plan pets --similarity different");
  command->callback([options, models, json, &exit_code] {
    if (models->size() > 1) {
      exit_code = rank_command(*options, *models, *json);
      return;
    }
    if (!models->empty()) options->model = models->front();
    exit_code = plan_command(*options, *json);
  });
}

}  // namespace engraft::cli
