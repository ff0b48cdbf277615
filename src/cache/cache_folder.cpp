#include "cache/cache_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "cache/new_file.h"
#include "cache/segment.h"
#include "engraft/cache/row_cache.h"
#include "engraft/error.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

void add_file(ShelfFiles& shelf, const std::string& path,
              const struct stat& status, bool unfinished) {
  const bool young = unfinished && age_of(status) < kUnfinishedSeconds;
  shelf.files.push_back({path, status.st_size, young});
  shelf.bytes += status.st_size;
}

/// nullopt when nothing in the folder shows that this program made it.
std::optional<ShelfFiles> scan_shelf(const std::string& folder,
                                     const std::string& name) {
  ShelfFiles shelf{name, shelf_path(folder, name), {}, 0, 0, 0};
  std::optional<struct stat> about;
  double age = std::numeric_limits<double>::infinity();
  for (const std::string& file : names_in(shelf.path)) {
    const std::string path = shelf.path + "/" + file;
    const auto status = status_of(path, S_IFREG);
    if (!status) continue;
    if (file == kAboutName) about = status;
    const bool unfinished = is_unfinished_name(file);
    if (!unfinished && !is_segment_name(file)) continue;
    if (!unfinished) {
      const auto rows = rows_in_header(path, status->st_size);
      // A crash may leave a name with nothing in it.
      if (!rows && status->st_size > 0) continue;
      shelf.rows += rows.value_or(0);
    }
    age = std::min(age, age_of(*status));
    add_file(shelf, path, *status, unfinished);
  }
  if (shelf.files.empty()) return std::nullopt;
  if (about) add_file(shelf, shelf.path + "/" + kAboutName, *about, false);
  shelf.age_seconds = std::max(0.0, about ? age_of(*about) : age);
  return shelf;
}

}  // namespace

bool is_shelf_name(const std::string& name) {
  return name.size() >= 8 && name.size() <= 64 &&
         name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string shelf_path(const std::string& folder, const std::string& shelf) {
  return (fs::path(folder) / shelf).string();
}

std::optional<struct stat> status_of(const std::string& path, mode_t kind) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0 || (status.st_mode & S_IFMT) != kind)
    return std::nullopt;
  return status;
}

double changed_at(const struct stat& status) {
  return static_cast<double>(status.st_mtim.tv_sec) +
         1e-9 * static_cast<double>(status.st_mtim.tv_nsec);
}

double age_of(const struct stat& status) {
  const std::chrono::duration<double> now =
      std::chrono::system_clock::now().time_since_epoch();
  return now.count() - changed_at(status);
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator at(folder, code), end; !code && at != end;
       at.increment(code))
    names.push_back(at->path().filename().string());
  std::ranges::sort(names);
  return names;
}

std::vector<ShelfFiles> scan_cache(const std::string& folder) {
  std::error_code code, ignored;
  const fs::directory_iterator probe(folder, code);
  if (code && fs::exists(folder, ignored))
    fail(Fault::io, folder, ": cannot be listed: ", code.message());
  std::vector<ShelfFiles> shelves;
  for (const std::string& name : names_in(folder)) {
    if (!is_shelf_name(name) || !status_of(shelf_path(folder, name), S_IFDIR))
      continue;
    if (auto shelf = scan_shelf(folder, name))
      shelves.push_back(std::move(*shelf));
  }
  return shelves;
}

int64_t remove_shelf(const ShelfFiles& shelf, std::string& failure) {
  int64_t freed = 0;
  for (const ShelfFiles::File& file : shelf.files) {
    if (file.unfinished) continue;
    if (::unlink(file.path.c_str()) == 0)
      freed += file.bytes;
    else if (errno != ENOENT)
      failure = file.path + ": cannot be removed: " + std::strerror(errno);
  }
  ::rmdir(shelf.path.c_str());
  return freed;
}

std::string default_cache_folder() {
  const std::string own = environment("ENGRAFT_CACHE");
  if (!own.empty()) return own;
  const std::string caches = environment("XDG_CACHE_HOME");
  if (caches.starts_with('/')) return (fs::path(caches) / "engraft").string();
  const std::string home = environment("HOME");
  if (home.empty()) return "";
  return (fs::path(home) / ".cache" / "engraft").string();
}

std::vector<CacheShelf> list_cache(const std::string& folder) {
  std::vector<CacheShelf> shelves;
  for (const ShelfFiles& found : scan_cache(folder)) {
    const std::string path = found.path + "/" + kAboutName;
    Json about;
    if (status_of(path, S_IFREG)) {
      std::ifstream in(path);
      about = Json::parse(in, nullptr, /*allow_exceptions=*/false);
      if (about.is_discarded()) about = Json();
    }
    shelves.push_back({found.name, std::move(about), found.rows, found.bytes,
                       found.age_seconds});
  }
  return shelves;
}

int64_t clear_cache(const std::string& folder,
                    const std::string& shelf_prefix) {
  int64_t freed = 0;
  std::string failure;
  for (const ShelfFiles& shelf : scan_cache(folder))
    if (shelf.name.starts_with(shelf_prefix))
      freed += remove_shelf(shelf, failure);
  if (!failure.empty()) fail(Fault::io, failure);
  return freed;
}

}  // namespace engraft
