#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace engraft {

/// The bytes of a file, or a part of them.
using Bytes = std::span<const uint8_t>;

/// The whole file. Throws Error(Fault::data) with the reason alone, for the
/// caller to put the path in front: missing, a folder, empty, not readable.
std::vector<uint8_t> read_bytes(const std::string& path);

inline uint32_t big_endian16(const uint8_t* p) {
  return static_cast<uint32_t>(p[0] << 8 | p[1]);
}
inline uint32_t little_endian16(const uint8_t* p) {
  return static_cast<uint32_t>(p[1] << 8 | p[0]);
}
inline uint32_t big_endian32(const uint8_t* p) {
  return big_endian16(p) << 16 | big_endian16(p + 2);
}
inline uint32_t little_endian32(const uint8_t* p) {
  return little_endian16(p + 2) << 16 | little_endian16(p);
}

}  // namespace engraft
