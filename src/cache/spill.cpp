#include "cache/spill.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

#include "cache/new_file.h"
#include "cache/room.h"
#include "engraft/error.h"

namespace engraft {
namespace {

/// Not /tmp first: it is in memory on many systems, where rows written to it
/// gain nothing.
std::string spill_folder() {
  const char* const chosen = std::getenv("TMPDIR");
  if (chosen && *chosen) return chosen;
  return ::access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp";
}

}  // namespace

FileMap spill(const RowBlock& block, int64_t rows, int64_t row_bytes) {
  const std::string folder = spill_folder();
  const int64_t bytes = rows * row_bytes;
  try {
    Room room = room_on_disk(folder);
    room.limit = bytes;
    if (shortage(room, bytes) > 0)
      fail(Fault::io, folder, ": its disk is full");
    NewFile file(folder);
    file.unlink();
    file.write(Bytes(block.row(0), static_cast<size_t>(bytes)));
    return file.map(bytes);
  } catch (const Error& error) {
    fail(Fault::io, error.what(), "; the next activations take ",
         (bytes + (1 << 20) - 1) >> 20,
         " MiB more than memory and cache may hold: make room there, or set "
         "TMPDIR to a folder with room");
  }
}

}  // namespace engraft
