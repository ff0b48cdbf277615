#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data/bytes.h"

namespace engraft {

/// 128 bits that name the bytes: MurmurHash3_x64_128 with seed 0 (Appleby,
/// public domain). The same on every machine. Not for secrets.
struct ContentHash {
  uint64_t high = 0, low = 0;
  std::string hex() const;  ///< 32 digits
};

ContentHash content_hash(Bytes bytes);
ContentHash content_hash(std::string_view text);

}  // namespace engraft
