#include "cache/room.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <vector>

#include "cache/cache_folder.h"
#include "engraft/error.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;

/// In text; rounded up, so that nothing is said to need 0.
std::string mebibytes(int64_t bytes) {
  const int64_t unit = int64_t{1} << 20;
  return std::to_string((std::max<int64_t>(0, bytes) + unit - 1) / unit) +
         " MiB";
}

[[noreturn]] void refuse(const std::string& folder, const Room& room,
                         int64_t needed) {
  if (room.used + needed > room.limit)
    fail(Fault::io, folder, ": the cache's limit of ", mebibytes(room.limit),
         " leaves no room for ", mebibytes(needed), " more");
  fail(Fault::io, folder, ": its disk has ", mebibytes(room.available),
       " left, and ", mebibytes(kept_free(room)), " are kept free");
}

}  // namespace

int64_t kept_free(const Room& room) {
  return std::min(int64_t{1} << 30, room.capacity / 20);
}

int64_t shortage(const Room& room, int64_t needed) {
  return std::max(room.used + needed - room.limit,
                  needed + kept_free(room) - room.available);
}

Room room_on_disk(const std::string& folder) {
  std::error_code code;
  const fs::space_info space = fs::space(folder, code);
  if (code) fail(Fault::io, folder, ": cannot be written: ", code.message());
  Room room;
  room.available = static_cast<int64_t>(space.available);
  room.capacity = static_cast<int64_t>(space.capacity);
  return room;
}

void make_room(const std::string& folder, const std::string& own,
               int64_t needed, int64_t limit) {
  Room room = room_on_disk(folder);
  room.limit = limit;
  std::vector<ShelfFiles> others = scan_cache(folder);
  for (const ShelfFiles& shelf : others) room.used += shelf.bytes;
  std::erase_if(others, [&](const auto& shelf) { return shelf.name == own; });
  int64_t removable = 0;
  for (const ShelfFiles& shelf : others) removable += shelf.bytes;
  if (shortage(room, needed) > removable) refuse(folder, room, needed);
  std::ranges::stable_sort(others, std::greater<>(), &ShelfFiles::age_seconds);
  for (const ShelfFiles& shelf : others) {
    if (shortage(room, needed) <= 0) return;
    std::string ignored;  // what stays is not counted as freed
    const int64_t freed = remove_shelf(shelf, ignored);
    room.used -= freed;
    room.available += freed;
  }
  if (shortage(room, needed) > 0) refuse(folder, room, needed);
}

}  // namespace engraft
