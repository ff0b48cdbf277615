#include "engraft/cache/row_cache.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <unordered_map>

#include "cache/cache_folder.h"
#include "cache/shelf_store.h"
#include "cache/spill.h"
#include "engraft/error.h"

namespace engraft {
namespace {

constexpr int64_t kSegmentBytes = int64_t{32} << 20;
/// Pages are given back when reads may have brought in so many bytes.
constexpr int64_t kGiveBackBytes = int64_t{8} << 20;
/// What Linux maps around a page that is asked for, when it is in its cache.
constexpr int64_t kFaultAround = int64_t{64} << 10;

}  // namespace

struct RowCache::State {
  /// Keys are hashes, but a caller's numbers shall do too.
  struct KeyHash {
    size_t operator()(const RowKey& key) const {
      return key.low ^ (key.high * 0x9E3779B97F4A7C15);
    }
  };

  struct Slot {
    uint32_t block = 0, row = 0;
    bool operator==(const Slot&) const = default;
  };

  ShelfPlace place;

  mutable std::shared_mutex mutex;  // guards index, spares and blocks
  std::unordered_map<RowKey, Slot, KeyHash> index;
  /// Further copies of rows, for when the first one turns out damaged.
  std::unordered_multimap<RowKey, Slot, KeyHash> spares;
  std::vector<std::shared_ptr<RowBlock>> blocks;

  std::atomic<int64_t> damaged = 0, brought_in = 0;

  // Of the thread that adds. Rows wait in blocks[waiting_block].
  uint32_t waiting_block = 0;
  std::vector<RowKey> waiting;
  int64_t resident_bytes = 0;
  std::string trouble;

  int64_t capacity() const {
    return std::max<int64_t>(1, kSegmentBytes / place.row_bytes);
  }
  bool writes() const {
    return !place.options.folder.empty() && trouble.empty();
  }
  /// Whether so many rows fit into the memory budget; they count then.
  bool stays_resident(int64_t rows) {
    const int64_t bytes = rows * place.row_bytes;
    if (resident_bytes + bytes > place.options.memory_budget) return false;
    resident_bytes += bytes;
    return true;
  }

  void load();
  std::shared_ptr<RowBlock> block_of(Segment segment);
  std::shared_ptr<RowBlock> find(const RowKey& key, Slot& slot) const;
  void forget(const RowKey& key, const Slot& slot, const RowBlock* block);
  void account_for_read();
  void write_waiting();
  void shelve_waiting();
  void begin_block();
};

std::shared_ptr<RowBlock> RowCache::State::block_of(Segment segment) {
  const SegmentHead& head = segment.head;
  std::vector<uint64_t> checksums;
  checksums.reserve(head.index.size());
  for (const IndexEntry& entry : head.index)
    checksums.push_back(entry.checksum);
  return std::make_shared<RowBlock>(
      place.row_bytes, std::move(segment.map), head.rows_offset(),
      std::move(checksums),
      stays_resident(static_cast<int64_t>(head.index.size())));
}

void RowCache::State::load() {
  OpenedShelf opened = open_shelf(place);
  damaged = opened.damaged;
  for (Segment& segment : opened.segments) {
    Slot slot{static_cast<uint32_t>(blocks.size()), 0};
    for (const IndexEntry& entry : segment.head.index) {
      if (!index.try_emplace(entry.key, slot).second)
        spares.emplace(entry.key, slot);
      ++slot.row;
    }
    blocks.push_back(block_of(std::move(segment)));
  }
}

std::shared_ptr<RowBlock> RowCache::State::find(const RowKey& key,
                                                Slot& slot) const {
  const std::shared_lock lock(mutex);
  const auto at = index.find(key);
  if (at == index.end()) return nullptr;
  slot = at->second;
  return blocks[slot.block];
}

void RowCache::State::forget(const RowKey& key, const Slot& slot,
                             const RowBlock* block) {
  const std::unique_lock lock(mutex);
  const auto at = index.find(key);
  // Another thread may have met the same damage, or the row may have moved.
  if (at == index.end() || at->second != slot ||
      blocks[slot.block].get() != block)
    return;
  ++damaged;
  const auto spare = spares.find(key);
  if (spare == spares.end()) {
    index.erase(at);
    return;
  }
  at->second = spare->second;
  spares.erase(spare);
}

/// Pages of a map stay in a process's resident memory until somebody else
/// needs them, so a run over a shelf larger than the machine would seem to use
/// all of it and be killed where memory is limited. Given back, they remain in
/// the system's cache, from where the next read has them at once.
void RowCache::State::account_for_read() {
  const int64_t bytes = place.row_bytes + kFaultAround;
  if (brought_in.fetch_add(bytes) + bytes < kGiveBackBytes) return;
  brought_in = 0;
  const std::shared_lock lock(mutex);
  for (const auto& block : blocks) block->give_back();
}

void RowCache::State::begin_block() {
  auto block = std::make_shared<RowBlock>(place.row_bytes, capacity());
  const std::unique_lock lock(mutex);
  waiting_block = static_cast<uint32_t>(blocks.size());
  blocks.push_back(std::move(block));
}

/// The rows that wait become a segment, or there is trouble and they wait on.
void RowCache::State::write_waiting() {
  try {
    Segment segment = write_segment(place, *blocks[waiting_block], waiting);
    std::vector<IndexEntry> entries = segment.head.index;
    auto block = block_of(std::move(segment));
    const std::unique_lock lock(mutex);
    Slot slot{waiting_block, 0};
    for (const IndexEntry& entry : entries) {
      index[entry.key] = slot;
      ++slot.row;
    }
    blocks[waiting_block] = std::move(block);
    waiting.clear();
  } catch (const Error& error) {
    trouble = error.what();
  }
}

/// A full block gets its final place; a new one can begin.
void RowCache::State::shelve_waiting() {
  if (writes()) write_waiting();
  if (waiting.empty()) return;
  const auto rows = static_cast<int64_t>(waiting.size());
  if (!stays_resident(rows)) {
    FileMap map = spill(*blocks[waiting_block], rows, place.row_bytes);
    auto block = std::make_shared<RowBlock>(place.row_bytes, std::move(map), 0,
                                            std::vector<uint64_t>(), false);
    const std::unique_lock lock(mutex);
    blocks[waiting_block] = std::move(block);
  }
  waiting.clear();
}

RowCache::RowCache(const RowCacheOptions& options, const std::string& shelf,
                   int64_t row_bytes, const Json& about)
    : state_(std::make_unique<State>()) {
  if (!is_shelf_name(shelf))
    throw std::invalid_argument("not the name of a shelf: '" + shelf + "'");
  if (row_bytes < 1) throw std::invalid_argument("a row of no bytes");
  state_->place = {options, shelf, row_bytes, about};
  if (!options.folder.empty()) state_->load();
}

RowCache::~RowCache() = default;

bool RowCache::contains(const RowKey& key) const {
  const std::shared_lock lock(state_->mutex);
  return state_->index.contains(key);
}

bool RowCache::read(const RowKey& key, void* out) const {
  State::Slot slot;
  while (const auto block = state_->find(key, slot)) {
    std::memcpy(out, block->row(slot.row),
                static_cast<size_t>(state_->place.row_bytes));
    if (block->touch()) state_->account_for_read();
    // The copy is what counts, and what is looked at.
    if (block->is_sound(slot.row, static_cast<const uint8_t*>(out)))
      return true;
    state_->forget(key, slot, block.get());
  }
  return false;
}

void RowCache::add(const RowKey& key, const void* row) {
  if (contains(key)) return;
  if (static_cast<int64_t>(state_->waiting.size()) == state_->capacity())
    state_->shelve_waiting();
  if (state_->waiting.empty()) state_->begin_block();
  const auto slot = static_cast<uint32_t>(state_->waiting.size());
  const uint32_t block = state_->waiting_block;
  std::memcpy(state_->blocks[block]->room(slot), row,
              static_cast<size_t>(state_->place.row_bytes));
  const std::unique_lock lock(state_->mutex);
  state_->waiting.push_back(key);
  state_->index.emplace(key, State::Slot{block, slot});
}

void RowCache::flush() {
  if (state_->writes() && !state_->waiting.empty()) state_->write_waiting();
}

int64_t RowCache::rows() const {
  const std::shared_lock lock(state_->mutex);
  return static_cast<int64_t>(state_->index.size());
}

int64_t RowCache::damaged() const { return state_->damaged; }

const std::string& RowCache::trouble() const { return state_->trouble; }

}  // namespace engraft
