#include "engraft/eval/predict.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/prediction_text.h"
#include "cli/text.h"

namespace engraft::cli {
namespace {

std::vector<std::string> lines_of(std::istream& in) {
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

/// '-' stands for the list on standard input, as does no path at all when
/// standard input is not a terminal.
std::vector<std::string> resolve(const std::vector<std::string>& paths) {
  if (paths.empty() && isatty(STDIN_FILENO))
    fail(Fault::usage,
         "PATH is missing: pictures, folders, or - for a list on standard "
         "input");
  std::vector<std::string> out;
  for (const auto& path : paths.empty() ? std::vector<std::string>{"-"} : paths)
    if (path == "-")
      std::ranges::copy(lines_of(std::cin), std::back_inserter(out));
    else
      out.push_back(path);
  return out;
}

int predict_command(PredictOptions options) {
  options.validate();
  options.paths = resolve(options.paths);
  std::cout << prediction_header(options.format, options.top,
                                 options.sampling.mc_samples > 0);
  const int64_t unreadable = predict(
      options,
      [&](const Prediction& prediction) {
        if (!prediction.error.empty())
          std::cerr << "engraft: " << prediction.error << std::endl;
        std::cout << prediction_text(prediction, options.format, options.top)
                  << std::flush;
      },
      note);
  return unreadable > 0 ? static_cast<int>(Fault::data) : 0;
}

}  // namespace

void add_predict(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<PredictOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("predict", "Says which class each picture shows.");
  command->add_option("MODEL", options->model,
                      "fine-tuned or original TorchScript file");
  command
      ->add_option("PATH", options->paths,
                   "pictures, folders of them, or - for a list on standard "
                   "input, one path a line")
      ->option_text("PATH...");
  bind(*command, *options);
  add_json_flag(*command, *json, "the same as --format jsonl");
  command->footer(
      "  engraft predict pets.pt photos --top 3 --format csv\n"
      "  engraft predict one.pt --with two.pt photos\n"
      "  engraft predict pets.pt photos --mc-samples 30");
  command->callback([options, json, command, &exit_code] {
    if (*json && command->count("--format") > 0 &&
        options->format != ListFormat::jsonl)
      fail(Fault::usage, "--json and --format ", name_of(options->format),
           " exclude each other");
    if (*json) options->format = ListFormat::jsonl;
    exit_code = predict_command(*options);
  });
}

}  // namespace engraft::cli
