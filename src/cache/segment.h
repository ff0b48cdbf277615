#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/bytes.h"
#include "engraft/cache/row_cache.h"

namespace engraft {

// A segment is an immutable file of rows. Numbers are little-endian:
//
//   at           bytes
//   0            8      "ENGRROWS"
//   8            4      version of this format, 1
//   12           4      0
//   16           16     content hash of the shelf's name
//   32           8      row_bytes
//   40           8      n, the number of rows
//   48           24 n   index: key (high, low) and checksum of each row
//   48 + 24 n    16     content hash of all bytes before it
//   ...          < 64   zeros, up to a multiple of 64
//   rows_offset  ...    n rows of row_bytes; here the file ends
//
// The name is that second hash in hex with ".rows" behind. Writers put rows in
// the order of their keys, so the same rows make the same file under the same
// name whoever writes them: the last rename wins and nothing is lost by it.
//
// Rows begin at a multiple of 64, and a map begins on a page: where row_bytes
// is such a multiple too, no row straddles a cache line more than it must, and
// vector loads from the map are aligned.

/// One row of the index.
struct IndexEntry {
  RowKey key;
  uint64_t checksum = 0;
};

/// Everything in a segment but the rows.
struct SegmentHead {
  int64_t row_bytes = 0;
  std::vector<IndexEntry> index;

  int64_t rows_offset() const;
  int64_t file_bytes() const;
};

/// 64 of the content hash's bits: enough against rot, this is no secret.
uint64_t row_checksum(Bytes row);

/// "0123...cdef.rows", 32 hex digits.
bool is_segment_name(const std::string& name);

/// What stands in front of the rows, with its padding, and the file's name.
struct EncodedHead {
  std::vector<uint8_t> bytes;
  std::string name;
};
EncodedHead encode_head(const SegmentHead& head, const std::string& shelf);

/// Reads and checks the head of the open file `fd` that is called `name`.
/// nullopt unless it is a whole segment of this version, of this shelf, with
/// this row size and of the length that follows from its head.
std::optional<SegmentHead> read_head(int fd, int64_t file_bytes,
                                     const std::string& name,
                                     const std::string& shelf,
                                     int64_t row_bytes);

/// Rows that the file's header speaks of; 0 when the header is not whole, of
/// another version or speaks of more than the file can hold. nullopt when the
/// file does not begin as a segment does, so that somebody else wrote it.
std::optional<int64_t> rows_in_header(const std::string& path,
                                      int64_t file_bytes);

}  // namespace engraft
