#include <array>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/text.h"
#include "engraft/cache/row_cache.h"
#include "engraft/error.h"

namespace engraft::cli {
namespace {

constexpr size_t kShortName = 12;

struct CacheArguments {
  std::string folder;
  std::optional<std::string> clear;  ///< the beginning of a name, or ""
  bool json = false;
};

std::string size_text(int64_t bytes) {
  if (bytes < 1000) return counted(bytes, "byte");
  const auto size = static_cast<double>(bytes);
  if (size < 1e6) return fixed(size / 1e3, 1) + " kB";
  if (size < 1e9) return fixed(size / 1e6, 1) + " MB";
  return fixed(size / 1e9, 1) + " GB";
}

std::string age_text(double seconds) {
  const auto days = static_cast<int64_t>(seconds / 86400);
  return (days > 1 ? counted(days, "day") : duration(seconds)) + " ago";
}

std::string short_name(const CacheShelf& shelf) {
  return shelf.name.substr(0, kShortName);
}

std::string contents(const Json& about) {
  std::string text;
  for (const char* key : {"model", "data", "cut", "view", "precision"}) {
    if (!about.is_object() || !about.contains(key)) continue;
    const Json& value = about.at(key);
    text += (text.empty() ? "" : ", ") + std::string(key) + " " +
            (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

int64_t total_of(const std::vector<CacheShelf>& shelves) {
  int64_t bytes = 0;
  for (const CacheShelf& shelf : shelves) bytes += shelf.bytes;
  return bytes;
}

std::string cache_text(const std::string& folder,
                       const std::vector<CacheShelf>& shelves) {
  if (shelves.empty()) return "the cache is empty: " + folder + "\n";
  std::vector<std::vector<std::string>> rows;
  for (const CacheShelf& shelf : shelves)
    rows.push_back({short_name(shelf), size_text(shelf.bytes),
                    counted(shelf.rows, "row"),
                    "used " + age_text(shelf.age_seconds)});
  std::istringstream lines(table(rows, ""));
  std::string text, line;
  for (const CacheShelf& shelf : shelves) {
    std::getline(lines, line);
    const std::string held = contents(shelf.about);
    text += line + "\n";
    if (!held.empty()) text += "  " + wrap(held, 2, 2) + "\n";
  }
  const auto count = static_cast<int64_t>(shelves.size());
  return text + size_text(total_of(shelves)) + " in " +
         (count == 1 ? "1 shelf" : std::to_string(count) + " shelves") +
         " in " + folder + "\n";
}

Json cache_json(const std::string& folder,
                const std::vector<CacheShelf>& shelves) {
  Json list = Json::array();
  for (const CacheShelf& shelf : shelves)
    list.push_back({{"name", shelf.name},
                    {"about", shelf.about},
                    {"rows", shelf.rows},
                    {"bytes", shelf.bytes},
                    {"age_seconds", shelf.age_seconds}});
  return {{"folder", folder},
          {"bytes", total_of(shelves)},
          {"shelves", std::move(list)}};
}

/// Throws Error(Fault::usage) naming what there is.
void require_shelf(const std::string& folder, const std::string& prefix) {
  std::vector<std::string> names;
  for (const CacheShelf& shelf : list_cache(folder)) {
    if (shelf.name.starts_with(prefix)) return;
    names.push_back(short_name(shelf));
  }
  fail(Fault::usage, "--clear: no shelf in ", folder, " begins with '", prefix,
       names.empty() ? "'; it is empty" : "'; there are " + listed(names, 8));
}

void cache_command(CacheArguments arguments) {
  if (arguments.folder.empty()) arguments.folder = default_cache_folder();
  const std::string& folder = arguments.folder;
  if (folder.empty())
    fail(Fault::usage,
         "there is no cache folder: give --cache DIR, or set ENGRAFT_CACHE or "
         "HOME");
  std::optional<int64_t> freed;
  if (arguments.clear) {
    if (!arguments.clear->empty()) require_shelf(folder, *arguments.clear);
    freed = clear_cache(folder, *arguments.clear);
  }
  const auto shelves = list_cache(folder);
  if (arguments.json) {
    Json json = cache_json(folder, shelves);
    if (freed) json["freed"] = *freed;
    return print_json(std::cout, json);
  }
  if (freed) std::cout << "freed " << size_text(*freed) << '\n';
  std::cout << cache_text(folder, shelves);
}

}  // namespace

void add_cache(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<CacheArguments>();
  CLI::App* command = app.add_subcommand(
      "cache", "Shows or clears the activations kept for later runs.");
  command
      ->add_option("--cache", arguments->folder,
                   "folder of the cache (auto: $ENGRAFT_CACHE, else "
                   "$XDG_CACHE_HOME/engraft, else ~/.cache/engraft)")
      ->option_text("--cache DIR");
  command
      ->add_option_function<std::string>(
          "--clear",
          [arguments](const std::string& prefix) { arguments->clear = prefix; },
          "remove all shelves, or those whose names begin with SHELF")
      ->expected(0, 1)
      ->option_text("--clear [SHELF]");
  command
      ->add_flag_function(
          "--json", [arguments](int64_t) { arguments->json = true; },
          "one JSON document on standard output")
      ->option_text("--json");
  command->footer("  engraft cache --clear 3f2a");
  command->callback([arguments, &exit_code] {
    cache_command(*arguments);
    exit_code = 0;
  });
}

}  // namespace engraft::cli
