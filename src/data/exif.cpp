#include <cstring>

#include "data/container.h"

namespace engraft {

// A TIFF block: byte order, 42, offset of the first directory; a directory is
// a count and entries of 12 bytes (tag, type, count, value). Exif 2.3, 4.5.
int exif_orientation(Bytes block) {
  constexpr uint32_t kOrientationTag = 0x0112, kShort = 3;
  if (block.size() < 8) return 1;
  const bool big = std::memcmp(block.data(), "MM", 2) == 0;
  if (!big && std::memcmp(block.data(), "II", 2) != 0) return 1;
  const auto read16 = big ? big_endian16 : little_endian16;
  const auto read32 = big ? big_endian32 : little_endian32;
  const uint64_t directory = read32(&block[4]);
  if (read16(&block[2]) != 42 || directory + 2 > block.size()) return 1;
  const uint64_t entries = read16(&block[directory]);
  for (uint64_t i = 0; i < entries; ++i) {
    const uint64_t at = directory + 2 + 12 * i;
    if (at + 12 > block.size()) return 1;
    if (read16(&block[at]) != kOrientationTag) continue;
    const uint32_t value = read16(&block[at + 8]);
    const bool valid = read16(&block[at + 2]) == kShort && value >= 1;
    return valid && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace engraft
