#include "cache/row_block.h"

#include "cache/segment.h"

namespace engraft {

RowBlock::RowBlock(int64_t row_bytes, int64_t capacity)
    : row_bytes_(row_bytes),
      // Not zeroed: a page that no row reaches takes no memory.
      memory_(std::make_unique_for_overwrite<uint8_t[]>(
          static_cast<size_t>(row_bytes * capacity))),
      rows_(memory_.get()) {}

RowBlock::RowBlock(int64_t row_bytes, FileMap map, int64_t offset,
                   std::vector<uint64_t> checksums, bool resident)
    : row_bytes_(row_bytes),
      map_(std::move(map)),
      rows_(map_->data() + offset),
      checksums_(std::move(checksums)),
      sound_(checksums_.size()),
      resident_(resident) {}

bool RowBlock::is_sound(int64_t slot, const uint8_t* copy) const {
  if (checksums_.empty()) return true;
  const auto at = static_cast<size_t>(slot);
  if (sound_[at].load(std::memory_order_relaxed)) return true;
  const Bytes bytes(copy, static_cast<size_t>(row_bytes_));
  if (row_checksum(bytes) != checksums_[at]) return false;
  sound_[at].store(true, std::memory_order_relaxed);
  return true;
}

bool RowBlock::touch() const {
  if (resident_) return false;
  touched_.store(true, std::memory_order_relaxed);
  return true;
}

void RowBlock::give_back() const {
  if (touched_.exchange(false, std::memory_order_relaxed)) map_->give_back();
}

}  // namespace engraft
