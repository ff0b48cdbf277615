#include "support/cache_rows.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <random>

namespace engraft::test {
namespace fs = std::filesystem;

RowKey key_of(uint64_t n) {
  std::mt19937_64 random(n);
  const uint64_t high = random();
  return {high, random()};
}

std::vector<uint8_t> row_of(uint64_t n, int64_t row_bytes) {
  std::mt19937_64 random(n + 1000003);
  std::vector<uint8_t> row(static_cast<size_t>(row_bytes));
  uint64_t bits = 0;
  for (uint8_t& byte : row) {
    if (bits == 0) bits = random();
    byte = static_cast<uint8_t>(bits);
    bits >>= 8;
  }
  return row;
}

void add_rows(RowCache& cache, uint64_t first, uint64_t count,
              int64_t row_bytes) {
  for (uint64_t n = first; n < first + count; ++n)
    cache.add(key_of(n), row_of(n, row_bytes).data());
}

uint64_t good_rows(const RowCache& cache, uint64_t first, uint64_t count,
                   int64_t row_bytes) {
  std::vector<uint8_t> row(static_cast<size_t>(row_bytes));
  uint64_t good = 0;
  for (uint64_t n = first; n < first + count; ++n)
    good += cache.read(key_of(n), row.data()) && row == row_of(n, row_bytes);
  return good;
}

void write_shelf(const std::string& folder, const std::string& shelf,
                 uint64_t first, uint64_t count, int64_t row_bytes) {
  RowCache cache({.folder = folder}, shelf, row_bytes, Json{{"cut", shelf}});
  add_rows(cache, first, count, row_bytes);
  cache.flush();
  EXPECT_EQ(cache.trouble(), "");
}

std::vector<std::string> segments_of(const std::string& folder,
                                     const std::string& shelf) {
  std::vector<std::string> paths = files_below(folder + "/" + shelf);
  std::erase_if(paths, [](const auto& path) {
    return fs::path(path).extension() != ".rows";
  });
  return paths;
}

std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code code;
  for (fs::recursive_directory_iterator at(folder, code), end;
       !code && at != end; at.increment(code))
    if (!at->is_directory()) paths.push_back(at->path().string());
  std::ranges::sort(paths);
  return paths;
}

void make_older(const std::string& path, int64_t seconds) {
  fs::last_write_time(
      path, fs::last_write_time(path) - std::chrono::seconds(seconds));
}

EnvironmentScope::EnvironmentScope(const char* name, const char* value)
    : name_(name) {
  if (const char* before = std::getenv(name)) before_ = before;
  set(value);
}

EnvironmentScope::~EnvironmentScope() {
  set(before_ ? before_->c_str() : nullptr);
}

void EnvironmentScope::set(const char* value) {
  if (value)
    ::setenv(name_, value, /*overwrite=*/1);
  else
    ::unsetenv(name_);
}

FullDisk::FullDisk(uint64_t bytes)
    // Otherwise the signal ends the process instead of write() failing.
    : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
  rlimit limit = {};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  before_ = limit.rlim_cur;
  limit.rlim_cur = bytes;
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
}

FullDisk::~FullDisk() {
  rlimit limit = {};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = before_;
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler_);
}

}  // namespace engraft::test
