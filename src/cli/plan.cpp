#include <iostream>
#include <memory>

#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/data_text.h"
#include "cli/plan_text.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "engraft/train/trainer.h"

namespace engraft::cli {
namespace {

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
              << plan_text(result.plan);
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
  add_json_flag(*command, *json);
  command->footer("  engraft plan pets --similarity different");
  command->callback([options, json, &exit_code] {
    exit_code = plan_command(*options, *json);
  });
}

}  // namespace engraft::cli
