#include <iostream>
#include <memory>

#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/progress.h"
#include "cli/report_text.h"
#include "cli/text.h"
#include "engraft/eval/evaluator.h"

namespace engraft::cli {
namespace {

int eval_command(const EvalOptions& options, bool json) {
  Progress progress;
  const Report report = evaluate_model(
      options,
      [&](int64_t done, int64_t total) {
        progress.show("testing", done, total);
      },
      [&](const std::string& text) {
        progress.clear();
        note(text);
      });
  progress.clear();
  if (json)
    print_json(std::cout, to_json(report));
  else
    std::cout << report_text(report);
  if (options.run.verbose && report.members.empty())
    note("inference " + report.inference.text());
  for (const Report& member : report.members)
    if (options.run.verbose)
      note("inference of " + member.model + ": " + member.inference.text());
  const double accuracy = report.main.metrics.top1;
  if (!options.min_accuracy || accuracy >= *options.min_accuracy) return 0;
  std::cerr << "engraft: top-1 accuracy " << brief(accuracy)
            << " is below --min-accuracy " << brief(*options.min_accuracy)
            << '\n';
  return kGateNotMet;
}

}  // namespace

void add_eval(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<EvalOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand(
      "eval",
      "Tests a model on labelled pictures, with one crop and with ten.");
  command->add_option("MODEL", options->model,
                      "fine-tuned or original TorchScript file");
  command->add_option("DATA", options->data,
                      "images as for train; folder names are class names");
  bind(*command, *options);
  add_json_flag(*command, *json);
  command->footer(
      "  engraft eval pets.pt pets --split val --min-accuracy 0.9\n"
      "  engraft eval one.pt pets --with two.pt --with three.pt\n"
      "  engraft eval pets.pt pets --split val --mc-samples 30");
  command->callback([options, json, &exit_code] {
    exit_code = eval_command(*options, *json);
  });
}

}  // namespace engraft::cli
