#pragma once

#include <CLI/CLI.hpp>

namespace engraft::cli {

/// Each adds one subcommand; when it is chosen, its work is done during
/// parse(), and what the process should exit with is stored in `exit_code`.
void add_train(CLI::App& app, int& exit_code);
void add_plan(CLI::App& app, int& exit_code);
void add_eval(CLI::App& app, int& exit_code);
void add_predict(CLI::App& app, int& exit_code);
void add_inspect(CLI::App& app, int& exit_code);
void add_cache(CLI::App& app, int& exit_code);
void add_search(CLI::App& app, int& exit_code);

/// Parses, runs the chosen command, returns the exit code. Throws what the
/// library throws.
int run(int argc, char** argv);

}  // namespace engraft::cli
