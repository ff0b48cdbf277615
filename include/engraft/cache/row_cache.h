#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "engraft/json.h"

namespace engraft {

/// Names a row within its shelf. 128 bits of a hash over what tells the row
/// from its neighbours.
struct RowKey {
  uint64_t high = 0, low = 0;
  auto operator<=>(const RowKey&) const = default;
};

/// A disk_limit for which no other shelf has to make room.
constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

/// Where rows are kept, and how many of them.
struct RowCacheOptions {
  std::string folder;  ///< "": nothing outlives the process
  /// Bytes of the whole folder, all shelves together. Other shelves make room
  /// for the one in use, the least recently used first.
  int64_t disk_limit = int64_t{10} << 30;
  /// Bytes of rows that stay resident; those beyond are read from files
  /// through maps whose pages are given back. Up to 32 MiB on their way to the
  /// disk come on top.
  int64_t memory_budget = int64_t{64} << 20;
};

/// One shelf of a cache: rows of equal size that depend on the same model,
/// view and precision and differ in the picture alone. What the bytes mean is
/// the caller's affair.
///
/// The shelf is a folder of immutable files, written whole or not at all and
/// named by what they hold. Any number of processes may use it at once, also
/// while one of them is killed; no locks are taken. The files of other
/// processes are seen as of construction.
///
/// contains(), read(), rows() and damaged() may be called from any number of
/// threads, also while one thread calls add(), flush() or trouble().
class RowCache {
 public:
  /// shelf      8 to 64 hex digits, lower case: a hash, made by the caller, of
  ///            everything that a row depends on besides its key
  /// row_bytes  size of every row, at least 1
  /// about      for people, who read it in about.json in the shelf's folder
  ///
  /// Writes nothing: a shelf without rows has no folder. Marks an existing
  /// shelf as used now, and removes from it what killed processes left.
  /// Throws std::invalid_argument for a shelf or row_bytes that is neither.
  RowCache(const RowCacheOptions& options, const std::string& shelf,
           int64_t row_bytes, const Json& about);
  /// Rows that were not flushed are lost.
  ~RowCache();
  RowCache(const RowCache&) = delete;
  RowCache& operator=(const RowCache&) = delete;

  /// Whether the index knows the row; its bytes are not looked at.
  bool contains(const RowKey& key) const;

  /// Copies the row's bytes to `out`, row_bytes of them. Its checksum is
  /// compared when it is first read. False when the row is absent or damaged;
  /// `out` may then hold anything. A damaged row is counted, forgotten, and
  /// may be added again.
  bool read(const RowKey& key, void* out) const;

  /// Copies row_bytes from `row`; it can be read at once. A key that is there
  /// already keeps its row. Rows are written together, 32 MiB at a time.
  /// Throws Error(Fault::io) when there is no place left for them, neither in
  /// the folder nor in memory nor in a temporary file; this row is then not
  /// added, all others stay readable.
  void add(const RowKey& key, const void* row);

  /// Writes the rows that wait. Does nothing without a folder, or after
  /// trouble. Never throws for want of room: see trouble().
  void flush();

  /// Rows that can be read.
  int64_t rows() const;
  /// Rows and whole files that were found damaged, or cut short, or made by
  /// another version.
  int64_t damaged() const;

  /// "", or why nothing is written to the folder any more: it cannot be
  /// written, its limit is reached or its disk is nearly full. Rows beyond the
  /// memory budget then go to a temporary file that ends with the process.
  /// From the thread that adds.
  const std::string& trouble() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// $ENGRAFT_CACHE, else $XDG_CACHE_HOME/engraft, else $HOME/.cache/engraft;
/// "" when none is set. An XDG_CACHE_HOME that is not absolute is ignored, as
/// its specification demands.
std::string default_cache_folder();

/// What a folder holds of one shelf.
struct CacheShelf {
  std::string name;
  Json about;              ///< null when it is missing or not JSON
  int64_t rows = 0;        ///< as the files' headers say
  int64_t bytes = 0;       ///< of all its files
  double age_seconds = 0;  ///< since a RowCache last opened or wrote it
};

/// The shelves in `folder`, sorted by name; files of others are passed over.
/// A folder that does not exist has none. Throws Error(Fault::io) when it
/// cannot be listed.
std::vector<CacheShelf> list_cache(const std::string& folder);

/// Removes the shelves whose names begin with `shelf_prefix`, of these only
/// files that this program wrote, and follows no links. Processes that use a
/// shelf keep what they opened. Returns the bytes freed. Throws
/// Error(Fault::io) when the folder cannot be listed or a file not removed.
int64_t clear_cache(const std::string& folder,
                    const std::string& shelf_prefix = "");

}  // namespace engraft
