#include <torch/version.h>

#include <iostream>

#include "cli/commands.h"
#include "cli/help.h"
#include "engraft/error.h"
#include "engraft/nearest.h"

namespace engraft::cli {
namespace {

/// Heading of options without one; CLI11 changed its own in between.
constexpr const char* kGroup = "Options";

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const auto* option : command.get_options())
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::string advice(const std::string& name,
                   const std::vector<std::string>& known,
                   const std::string& help) {
  const std::string near = did_you_mean(name, known);
  return near.empty() ? "; see " + help + " --help" : near;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands({}))
    names.push_back(command->get_name());
  return names;
}

/// An option without its value, or given twice.
[[noreturn]] void refuse_count(const CLI::App& app, const std::string& what) {
  const std::string name = what.substr(0, what.find(':'));
  const auto chosen = app.get_subcommands();
  const auto* option =
      chosen.empty() ? nullptr : chosen[0]->get_option_no_throw(name);
  if (!option) fail(Fault::usage, what);
  const int values = option->get_expected_min();
  fail(Fault::usage, name, " takes ", values,
       values == 1 ? " value" : " values",
       option->get_expected_max() > values ? " each time" : ", once");
}

/// What CLI11 could not place, in our words.
[[noreturn]] void refuse_extras(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  const CLI::App& command = chosen.empty() ? app : *chosen[0];
  const std::string help =
      chosen.empty() ? "engraft" : "engraft " + command.get_name();
  const auto extras = app.remaining(true);
  for (const auto& extra : extras)
    if (extra.size() > 1 && extra[0] == '-') {
      const std::string name = extra.substr(0, extra.find('='));
      fail(Fault::usage, "unknown option '", name, "'",
           advice(name, option_names(command), help));
    }
  const std::string first = extras.empty() ? "" : extras[0];
  if (chosen.empty())
    fail(Fault::usage, "unknown command '", first, "'",
         advice(first, command_names(app), help));
  fail(Fault::usage, "'", first, "' is one argument too many; see ", help,
       " --help");
}

void set_up(CLI::App& app, int& exit_code) {
  app.formatter_fn(help_text);
  app.option_defaults()->group(kGroup);
  app.set_help_flag("-h,--help", "this text, or that of a command")
      ->option_text("-h, --help")
      ->group(kGroup);
  app.set_version_flag(
      "--version",
      std::string("engraft " ENGRAFT_VERSION ", LibTorch " TORCH_VERSION),
      "versions of engraft and LibTorch");
  app.require_subcommand(0, 1);
  for (auto* add : {add_train, add_plan, add_eval, add_predict, add_inspect,
                    add_cache, add_search})
    add(app, exit_code);
  for (auto* command : app.get_subcommands({}))
    command->get_option("--help")->option_text("-h, --help")->group(kGroup);
  app.footer(
      "  engraft train pets --out pets.pt && engraft predict pets.pt "
      "photo.jpg");
}

}  // namespace

int run(int argc, char** argv) {
  int exit_code = 0;
  CLI::App app{"Fine-tunes TorchScript image classifiers on your pictures."};
  app.name("engraft");
  set_up(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wish) {  // --help, --version
    return app.exit(wish);
  } catch (const CLI::ExtrasError&) {
    refuse_extras(app);
  } catch (const CLI::ArgumentMismatch& error) {
    refuse_count(app, error.what());
  } catch (const CLI::ParseError& error) {
    fail(Fault::usage, error.what());
  }
  if (app.get_subcommands().empty()) {
    std::cerr << app.help();
    return static_cast<int>(Fault::usage);
  }
  return exit_code;
}

}  // namespace engraft::cli
