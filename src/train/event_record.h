#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engraft/train/event_file.h"

namespace engraft {

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4).
uint32_t crc32c(std::string_view bytes);

// Records of an event file, framed. wall_time is in seconds since 1970.

/// The first one: the format's version and who writes.
std::string version_record(double wall_time);
/// One event with a summary of all the scalars.
std::string scalar_record(double wall_time, int64_t step,
                          const std::vector<Scalar>& scalars);

/// `bytes` start with what version_record() gave at any time: the file is
/// ours. TensorFlow's own have such names too, and another writer.
bool starts_with_version_record(std::string_view bytes);

}  // namespace engraft
