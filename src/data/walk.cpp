#include "data/walk.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <set>
#include <string_view>

#include "engraft/error.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;

constexpr auto kExtensions = std::to_array<std::string_view>(
    {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"});
constexpr auto kLitter = std::to_array<std::string_view>(
    {"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN"});

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return extension;
}

std::string why_left_out(const fs::path& path) {
  std::error_code code;
  const auto status = fs::status(path, code);
  if (!fs::exists(status)) return "link to nothing";
  if (!fs::is_regular_file(status)) return "not a regular file";
  const std::string extension = lower_extension(path);
  return extension.empty() ? "not a picture: no extension"
                           : "not a picture that is read: " + extension;
}

void walk(const std::string& folder, std::set<fs::path>& entered,
          ListedPictures& walked) {
  std::error_code code;
  const fs::path real = fs::canonical(folder, code);
  if (!code && !entered.insert(real).second) {
    walked.left_out.push_back(
        {folder, "link to a folder that is used already"});
    return;
  }
  const Children children = list_children(folder);
  for (const auto& file : children.files) {
    if (is_picture_name(file) && fs::is_regular_file(file, code))
      walked.paths.push_back(file);
    else
      walked.left_out.push_back({file, why_left_out(file)});
  }
  for (const auto& child : children.folders) walk(child, entered, walked);
}

}  // namespace

bool is_picture_name(const std::string& path) {
  return std::ranges::count(kExtensions, lower_extension(path)) > 0;
}

bool is_hidden(const std::string& name) {
  return name.starts_with('.') || std::ranges::count(kLitter, name) > 0;
}

Children list_children(const std::string& folder) {
  Children children;
  std::error_code code;
  for (fs::directory_iterator at(folder, code), end; !code && at != end;
       at.increment(code)) {
    if (is_hidden(at->path().filename().string())) continue;
    std::error_code ignored;  // of a broken link: listed as a file
    const bool is_folder = fs::is_directory(at->path(), ignored);
    (is_folder ? children.folders : children.files)
        .push_back(at->path().string());
  }
  if (code) fail(Fault::data, folder, ": cannot be listed: ", code.message());
  std::ranges::sort(children.folders);
  std::ranges::sort(children.files);
  return children;
}

ListedPictures walk_folder(const std::string& folder) {
  ListedPictures walked;
  std::set<fs::path> entered;
  walk(folder, entered, walked);
  return walked;
}

ListedPictures list_pictures(const std::vector<std::string>& paths) {
  ListedPictures listed;
  for (const auto& path : paths) {
    std::error_code code;
    if (!fs::is_directory(path, code)) {
      listed.paths.push_back(path);
      continue;
    }
    const ListedPictures walked = walk_folder(path);
    std::ranges::copy(walked.paths, std::back_inserter(listed.paths));
    std::ranges::copy(walked.left_out, std::back_inserter(listed.left_out));
  }
  return listed;
}

}  // namespace engraft
