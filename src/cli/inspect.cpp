#include <filesystem>
#include <iostream>
#include <memory>

#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/data_text.h"
#include "cli/inspection_text.h"
#include "cli/text.h"
#include "engraft/data/image_folder.h"

namespace engraft::cli {
namespace {

bool is_data(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error) || path.ends_with(".csv") ||
         path.ends_with(".CSV");
}

void inspect_data(const InspectOptions& options, bool json) {
  const ImageFolder folder = scan_image_folder(
      options.path, options.data_options, options.run.threads);
  if (json) return print_json(std::cout, to_json(folder));
  std::cout << data_text(folder) << paragraph("print", folder.fingerprint);
}

int inspect_command(const InspectOptions& options, bool json) {
  options.validate();
  if (is_data(options.path)) {
    inspect_data(options, json);
    return 0;
  }
  std::error_code error;
  if (!std::filesystem::exists(options.path, error))
    fail(Fault::io, options.path, ": no such file or folder");
  const Inspection inspection = inspect_model(options.path, options.input);
  if (json)
    print_json(std::cout, to_json(inspection));
  else
    std::cout << inspection_text(inspection);
  return 0;
}

}  // namespace

void add_inspect(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<InspectOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand(
      "inspect", "Shows what is in a model file or in a folder of images.");
  command
      ->add_option("PATH", options->path,
                   "MODEL, a TorchScript file, or DATA, a folder or CSV file "
                   "as for train")
      ->option_text("MODEL|DATA");
  bind(*command, *options);
  add_json_flag(*command, *json);
  command->footer("  engraft inspect pets.pt");
  command->callback([options, json, &exit_code] {
    exit_code = inspect_command(*options, *json);
  });
}

}  // namespace engraft::cli
