#include "cli/help.h"

#include <sstream>

namespace engraft::cli {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kColumn = 27;

/// Characters as they stand on a terminal: UTF-8 continuation bytes are none.
size_t columns(const std::string& text) {
  size_t count = 0;
  for (const char c : text)
    count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

std::string row(const std::string& left, const std::string& right) {
  std::string out = "  " + left;
  if (columns(out) + 2 > kColumn)
    out += "\n" + std::string(kColumn, ' ');
  else
    out += std::string(kColumn - columns(out), ' ');
  return out + wrap(right, kColumn, kColumn) + "\n";
}

std::string left_of(const CLI::Option* option) {
  if (!option->get_option_text().empty()) return option->get_option_text();
  return option->get_name(option->get_positional(), true);
}

std::string usage(const CLI::App* app, const std::string& name) {
  std::string out = "Usage: " + name;
  for (const auto* option : app->get_options())
    if (option->get_positional()) out += " " + left_of(option);
  return out + (app->get_subcommands({}).empty() ? " [options]" : " COMMAND") +
         "\n";
}

}  // namespace

std::string wrap(const std::string& text, size_t indent, size_t column) {
  std::istringstream words(text);
  std::string word, out;
  while (words >> word) {
    if (!out.empty() && column + 1 + columns(word) > kWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (!out.empty()) {
      out += ' ';
      ++column;
    }
    out += word;
    column += columns(word);
  }
  return out;
}

std::string help_text(const CLI::App* app, std::string name,
                      CLI::AppFormatMode) {
  std::string out = app->get_description() + "\n\n" + usage(app, name);
  const auto subcommands = app->get_subcommands({});
  if (!subcommands.empty()) out += "\nCommands:\n";
  for (const auto* command : subcommands)
    out += row(command->get_name(), command->get_description());
  std::string positionals;
  for (const auto* option : app->get_options())
    if (option->get_positional())
      positionals += row(left_of(option), option->get_description());
  if (!positionals.empty()) out += "\n" + positionals;
  for (const auto& group : app->get_groups()) {
    std::string rows;
    for (const auto* option : app->get_options())
      if (option->nonpositional() && option->get_group() == group)
        rows += row(left_of(option), option->get_description());
    if (!rows.empty()) out += "\n" + group + ":\n" + rows;
  }
  return out + "\nExample:\n" + app->get_footer() + "\n";
}

}  // namespace engraft::cli
