#pragma once

#include <cstdint>

#include "cache/file_map.h"
#include "cache/row_block.h"

namespace engraft {

/// Writes the first `rows` rows of `block` to a file without a name, which
/// ends with its map. Throws Error(Fault::io) that says what to do.
FileMap spill(const RowBlock& block, int64_t rows, int64_t row_bytes);

}  // namespace engraft
