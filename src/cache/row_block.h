#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "cache/file_map.h"

namespace engraft {

/// Rows one behind the other, in memory or in a mapped file. A row once
/// written never changes, so any number of threads may read it.
class RowBlock {
 public:
  /// Memory for `capacity` rows, to be written through room().
  RowBlock(int64_t row_bytes, int64_t capacity);
  /// The rows from `offset` on of a mapped file. Without checksums they are
  /// trusted. When `resident`, pages once read stay.
  RowBlock(int64_t row_bytes, FileMap map, int64_t offset,
           std::vector<uint64_t> checksums, bool resident);

  const uint8_t* row(int64_t slot) const { return rows_ + slot * row_bytes_; }
  uint8_t* room(int64_t slot) { return memory_.get() + slot * row_bytes_; }

  /// Whether `copy`, made of the row in `slot`, is what was written. Looks
  /// only until a row was sound once.
  bool is_sound(int64_t slot, const uint8_t* copy) const;

  /// To be called when a row was read. True when its pages will have to be
  /// given back.
  bool touch() const;
  /// Gives pages back if any were read since the last time.
  void give_back() const;

 private:
  int64_t row_bytes_;
  std::unique_ptr<uint8_t[]> memory_;
  std::optional<FileMap> map_;
  const uint8_t* rows_;
  std::vector<uint64_t> checksums_;
  mutable std::vector<std::atomic<bool>> sound_;
  bool resident_ = true;
  mutable std::atomic<bool> touched_ = false;
};

}  // namespace engraft
