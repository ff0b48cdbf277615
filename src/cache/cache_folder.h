#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace engraft {

// What lies in a cache folder: a folder for each shelf, named by its hex
// digits, and in it
//   <32 hex digits>.rows   segments
//   about.json             what the shelf is, for people; its time of change
//                          is when the shelf was last used
//   writing-<pid>-<n>      files that are being written, or were when their
//                          process was killed
// Everything else is somebody else's and never touched.

constexpr const char* kAboutName = "about.json";
/// Nobody writes a file of 32 MiB for so long.
constexpr double kUnfinishedSeconds = 3600;

/// 8 to 64 hex digits in lower case.
bool is_shelf_name(const std::string& name);
std::string shelf_path(const std::string& folder, const std::string& shelf);

/// nullopt unless `path` itself, and not a link, is of the wanted kind
/// (S_IFREG, S_IFDIR).
std::optional<struct stat> status_of(const std::string& path, mode_t kind);
/// When the file's content changed, in seconds, and how long ago that is.
double changed_at(const struct stat& status);
double age_of(const struct stat& status);
/// Names in a folder, sorted; none when it cannot be listed.
std::vector<std::string> names_in(const std::string& folder);

/// A shelf and the files in it that this program wrote.
struct ShelfFiles {
  struct File {
    std::string path;
    int64_t bytes = 0;
    bool unfinished = false;  ///< perhaps still being written
  };
  std::string name, path;
  std::vector<File> files;
  int64_t rows = 0, bytes = 0;
  double age_seconds = 0;
};

/// Sorted by name. Throws Error(Fault::io) when `folder` exists and cannot be
/// listed.
std::vector<ShelfFiles> scan_cache(const std::string& folder);

/// Removes the shelf's files, and its folder when nothing is left in it. What
/// another process may be writing stays. Returns the bytes freed; `failure`
/// gets the reason when a file could not be removed.
int64_t remove_shelf(const ShelfFiles& shelf, std::string& failure);

}  // namespace engraft
