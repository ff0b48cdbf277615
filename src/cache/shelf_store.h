#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cache/file_map.h"
#include "cache/row_block.h"
#include "cache/segment.h"
#include "engraft/cache/row_cache.h"

namespace engraft {

/// What stays the same while a RowCache lives.
struct ShelfPlace {
  RowCacheOptions options;
  std::string shelf;
  int64_t row_bytes = 0;
  Json about;
};

/// A segment that can be read.
struct Segment {
  SegmentHead head;
  FileMap map;
};

/// The shelf as it is on the disk.
struct OpenedShelf {
  std::vector<Segment> segments;  ///< the latest first
  int64_t damaged = 0;            ///< files that are no such segments
};

/// Marks the shelf as used, removes what killed processes left, and maps what
/// is good. A shelf that does not exist is empty.
OpenedShelf open_shelf(const ShelfPlace& place);

/// Writes rows [0, keys.size()) of `block` as one segment, making room for it.
/// Throws Error(Fault::io) that says why it cannot; nothing is left then.
Segment write_segment(const ShelfPlace& place, const RowBlock& block,
                      const std::vector<RowKey>& keys);

}  // namespace engraft
