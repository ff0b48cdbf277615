#pragma once

#include <cstdint>
#include <string>

namespace engraft {

// When the cache may grow, and what it throws out for it.

/// What is known before a file is written.
struct Room {
  int64_t used = 0, limit = 0;          ///< of the cache folder
  int64_t available = 0, capacity = 0;  ///< of its disk
};
/// What a disk keeps free: 1 GiB, or 5 % of it if that is less.
int64_t kept_free(const Room& room);
/// Bytes that must go before `needed` more may come; 0 or less for none.
int64_t shortage(const Room& room, int64_t needed);

/// The disk of `folder`, which must exist. Throws Error(Fault::io).
Room room_on_disk(const std::string& folder);

/// Makes room in `folder` for `needed` bytes of the shelf named `own`: removes
/// other shelves, the least recently used first, no more than necessary and
/// none when all of them would not do. Throws Error(Fault::io) that says what
/// is exhausted.
void make_room(const std::string& folder, const std::string& own,
               int64_t needed, int64_t limit);

}  // namespace engraft
