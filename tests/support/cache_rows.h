#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engraft/cache/row_cache.h"

namespace engraft::test {

constexpr int64_t kMiB = int64_t{1} << 20;

/// A shelf's name as a caller would make it.
inline const std::string kShelf = "00112233445566778899aabbccddeeff";

/// The n-th of endlessly many different keys, and its row.
RowKey key_of(uint64_t n);
std::vector<uint8_t> row_of(uint64_t n, int64_t row_bytes);

/// Adds rows [first, first + count).
void add_rows(RowCache& cache, uint64_t first, uint64_t count,
              int64_t row_bytes);
/// How many rows of [first, first + count) are there and are what they were.
uint64_t good_rows(const RowCache& cache, uint64_t first, uint64_t count,
                   int64_t row_bytes);
/// A shelf of its own in `folder`, written and closed.
void write_shelf(const std::string& folder, const std::string& shelf,
                 uint64_t first, uint64_t count, int64_t row_bytes);

/// Paths of the segments of a shelf, sorted.
std::vector<std::string> segments_of(const std::string& folder,
                                     const std::string& shelf = kShelf);
/// Every file below `folder`, sorted; empty when it does not exist.
std::vector<std::string> files_below(const std::string& folder);
/// Moves a file's time of change back.
void make_older(const std::string& path, int64_t seconds);

/// An environment variable has this value, or none, in its scope.
class EnvironmentScope {
 public:
  EnvironmentScope(const char* name, const char* value);
  ~EnvironmentScope();
  EnvironmentScope(const EnvironmentScope&) = delete;

 private:
  void set(const char* value);
  const char* name_;
  std::optional<std::string> before_;
};

/// No file can grow beyond `bytes` in its scope, as if its disk were full.
class FullDisk {
 public:
  explicit FullDisk(uint64_t bytes);
  ~FullDisk();
  FullDisk(const FullDisk&) = delete;

 private:
  uint64_t before_;
  void (*handler_)(int);
};

}  // namespace engraft::test
