#include <iostream>
#include <memory>

#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/epoch_text.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "cli/training_progress.h"
#include "cli/training_text.h"
#include "engraft/train/trainer.h"

namespace engraft::cli {
namespace {

int train_command(const TrainOptions& options, bool json) {
  options.validate();
  const InterruptScope interrupts;
  TrainingProgress progress;
  const TrainResult result = train(options, progress.callbacks());
  progress.clear();
  if (json)
    print_json(std::cout, to_json(result));
  else
    std::cout << (outputs_are_one() ? "" : epoch_table(result.epochs))
              << training_text(result, options.base.run.verbose);
  return result.interrupted ? kInterrupted : 0;
}

}  // namespace

void add_train(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<TrainOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand(
      "train", "Fine-tunes a pretrained model on a folder of images.");
  command->add_option("DATA", options->base.data,
                      "images: DATA/<class>/..., DATA/train and DATA/val with "
                      "such folders in them, or a CSV file path,label[,split]");
  bind(*command, *options);
  add_json_flag(*command, *json);
  command->footer("  engraft train pets --out pets.pt");
  command->callback([options, json, &exit_code] {
    exit_code = train_command(*options, *json);
  });
}

}  // namespace engraft::cli
