#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace engraft::cli {

/// The text of --help: one sentence, the usage, every option with its range
/// and default, an example. For CLI::App::formatter_fn.
std::string help_text(const CLI::App* app, std::string name,
                      CLI::AppFormatMode mode);

/// `text` in lines of at most 80 columns, all but the first one indented.
std::string wrap(const std::string& text, size_t indent, size_t column = 0);

}  // namespace engraft::cli
