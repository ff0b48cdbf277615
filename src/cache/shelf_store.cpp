#include "cache/shelf_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <optional>
#include <utility>

#include "cache/cache_folder.h"
#include "cache/new_file.h"
#include "cache/room.h"
#include "engraft/error.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;

std::string path_of(const ShelfPlace& place) {
  return shelf_path(place.options.folder, place.shelf);
}

/// False when there is no about.json to mark.
bool mark_as_used(const std::string& path) {
  const std::string about = path + "/" + kAboutName;
  return ::utimensat(AT_FDCWD, about.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) ==
         0;
}

std::string about_text(const ShelfPlace& place) {
  return place.about.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_about(const std::string& path, const std::string& text) {
  NewFile file(path);
  file.write(Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  file.commit(kAboutName);
}

void remove_if_old(const std::string& path) {
  const auto status = status_of(path, S_IFREG);
  if (status && age_of(*status) > kUnfinishedSeconds) ::unlink(path.c_str());
}

/// nullopt and counted when the file is not a good segment of this shelf;
/// nullopt alone when it was removed meanwhile, or may not be read or mapped.
std::optional<Segment> open_segment(const ShelfPlace& place,
                                    const std::string& name, int64_t& damaged) {
  const std::string path = path_of(place) + "/" + name;
  const Descriptor file(
      ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status = {};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return std::nullopt;
  auto head =
      read_head(file.get(), status.st_size, name, place.shelf, place.row_bytes);
  if (!head) {
    ++damaged;
    return std::nullopt;
  }
  try {
    // Segments never change and are never cut short by this program, so a map
    // of the size that was checked stays readable.
    return Segment{std::move(*head), FileMap(file.get(), status.st_size)};
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// Segment names, the latest first: a row that was added again because its
/// first copy is damaged is found in the good file.
std::vector<std::string> latest_first(const std::string& path,
                                      std::vector<std::string> names) {
  std::vector<std::pair<double, std::string>> dated;
  for (std::string& name : names)
    if (const auto status = status_of(path + "/" + name, S_IFREG))
      dated.emplace_back(-changed_at(*status), std::move(name));
  std::ranges::sort(dated);
  names.clear();
  for (auto& [date, name] : dated) names.push_back(std::move(name));
  return names;
}

/// Row numbers in the order of their keys.
std::vector<int64_t> order_of(const std::vector<RowKey>& keys) {
  std::vector<int64_t> order(keys.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::ranges::sort(order, {},
                    [&](int64_t i) { return keys[static_cast<size_t>(i)]; });
  return order;
}

void make_folder(const std::string& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code) fail(Fault::io, path, ": cannot be made: ", code.message());
}

/// Makes the shelf's folder. Gone with its scope if nothing came into it.
class ShelfFolder {
 public:
  explicit ShelfFolder(const std::string& path) : path_(path) {
    make_folder(path_);
    if (!status_of(path_, S_IFDIR))
      fail(Fault::io, path_, ": is a link; remove it");
  }
  ~ShelfFolder() { ::rmdir(path_.c_str()); }
  ShelfFolder(const ShelfFolder&) = delete;
  ShelfFolder& operator=(const ShelfFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

OpenedShelf open_shelf(const ShelfPlace& place) {
  OpenedShelf opened;
  const std::string path = path_of(place);
  if (!status_of(path, S_IFDIR)) return opened;
  mark_as_used(path);
  std::vector<std::string> names;
  for (std::string& name : names_in(path)) {
    if (is_unfinished_name(name)) remove_if_old(path + "/" + name);
    if (is_segment_name(name)) names.push_back(std::move(name));
  }
  for (const std::string& name : latest_first(path, std::move(names)))
    if (auto segment = open_segment(place, name, opened.damaged))
      opened.segments.push_back(std::move(*segment));
  return opened;
}

Segment write_segment(const ShelfPlace& place, const RowBlock& block,
                      const std::vector<RowKey>& keys) {
  const auto size = static_cast<size_t>(place.row_bytes);
  const std::vector<int64_t> order = order_of(keys);
  SegmentHead head{place.row_bytes, {}};
  for (const int64_t i : order)
    head.index.push_back({keys[static_cast<size_t>(i)],
                          row_checksum(Bytes(block.row(i), size))});
  const EncodedHead encoded = encode_head(head, place.shelf);

  const std::string about = about_text(place);
  const int64_t bytes = head.file_bytes();

  make_folder(place.options.folder);
  make_room(place.options.folder, place.shelf,
            bytes + static_cast<int64_t>(about.size()),
            place.options.disk_limit);
  const ShelfFolder folder(path_of(place));
  NewFile file(folder.path());
  file.write(encoded.bytes);
  for (const int64_t i : order) file.write(Bytes(block.row(i), size));
  file.commit(encoded.name);
  // Later than the rows: a folder with an about.json alone could be anybody's.
  if (!mark_as_used(folder.path())) write_about(folder.path(), about);
  return {std::move(head), file.map(bytes)};
}

}  // namespace engraft
