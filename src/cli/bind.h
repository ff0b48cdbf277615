#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "cli/values.h"
#include "engraft/train/options.h"

namespace engraft::cli {

/// Makes a flag of one row of an option struct's `fields`.
struct FlagVisitor {
  CLI::App& command;

  template <typename T, typename Allowed>
  void operator()(const char* name, T& value, const char* help,
                  const Allowed& allowed) const {
    const std::string flag = std::string("--") + name;
    if constexpr (std::is_same_v<T, bool> ||
                  std::is_same_v<T, std::optional<bool>>) {
      add_switch(name, value, help);
    } else if constexpr (std::is_same_v<T, std::vector<double>>) {
      command
          .add_option_function<std::vector<std::string>>(
              flag,
              [flag, name, &value, allowed](const auto& texts) {
                value.clear();
                for (const auto& text : texts)
                  parse_value(flag, text, value.emplace_back());
                check_allowed(name, value, allowed);
              },
              with_note(help, value, allowed))
          ->expected(3)
          ->option_text(flag + " R G B");
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      // One value each time, so that a word behind it stays an argument.
      command
          .add_option_function<T>(
              flag, [&value](const T& texts) { value = texts; },
              std::string(help) + " (may be given several times)")
          ->expected(1, -1)
          ->allow_extra_args(false)
          ->option_text(flag + " " + placeholder<std::string>());
    } else {
      command
          .add_option_function<std::string>(
              flag,
              [flag, name, &value, allowed](const std::string& text) {
                parse_value(flag, text, value);
                check_allowed(name, value, allowed);
              },
              with_note(help, value, allowed))
          ->option_text(flag + " " + placeholder<T>());
    }
  }

 private:
  /// Both spellings exist, so that a flag can win over --config; the help
  /// shows the one that changes something.
  /// An optional one is off or as it is found.
  template <typename Switch>
  void add_switch(const std::string& name, Switch& value,
                  const char* help) const {
    const std::string on = "--" + name, off = "--no-" + name;
    command
        .add_flag_function(
            on + ",!" + off,
            [on, off, &value](int64_t sum) {
              if (sum == 0)
                fail(Fault::usage, on, " and ", off, " exclude each other");
              value = sum > 0;
            },
            value ? std::string("switch off: ") + help : help)
        ->option_text(value ? off : on);
  }
};

/// Puts the options of a nested struct under their own heading in --help.
template <typename Part>
void group(CLI::App& command, const char* heading) {
  Part part;
  Part::fields(part, [&](const char* name, auto&, const char*, const auto&) {
    if (auto* option = command.get_option_no_throw(std::string("--") + name))
      option->group(heading);
  });
}

/// Flags for all fields of `options`, and --config, which reads the same
/// fields from a file. `options` must live as long as the command.
template <typename Options>
void bind(CLI::App& command, Options& options) {
  // Added first: CLI11 runs callbacks in this order, so flags beat the file.
  command
      .add_option_function<std::string>(
          "--config",
          [&options](const std::string& path) { read_json(path, options); },
          "JSON object of these same options, {\"lr\": 0.01, ...}; flags win "
          "over it")
      ->option_text("--config FILE");
  Options::fields(options, FlagVisitor{command});
  group<PlanOptions>(command, "Plan");
  group<AugmentOptions>(command, "Training views");
  group<OptimOptions>(command, "Optimisation");
  group<ScheduleOptions>(command, "Learning rate");
  group<RegulariserOptions>(command, "Regularisation");
  group<MixOptions>(command, "Mixing and averaging");
  group<ViewOptions>(command, "Testing");
  // Where there is training, the same names are flags of that.
  if (command.get_option_no_throw("--mc-samples"))
    group<SamplingOptions>(command, "Sampling");
  group<CacheOptions>(command, "Cache");
  group<DataOptions>(command, "Data");
  group<InputOptions>(command, "Model input");
  group<RunOptions>(command, "Run");
}

/// --json: one document on standard output instead of text.
inline void add_json_flag(
    CLI::App& command, bool& json,
    const char* help = "one JSON document on standard output") {
  command
      .add_flag_function(
          "--json", [&json](int64_t) { json = true; }, help)
      ->option_text("--json");
}

}  // namespace engraft::cli
