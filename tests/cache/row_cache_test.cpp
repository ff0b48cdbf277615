// Rows that go in and come out again.

#include "engraft/cache/row_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "support/cache_rows.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;
using namespace test;

constexpr int64_t kRow = 100;

TEST(RowCache, ARowCanBeReadAsSoonAsItIsAdded) {
  RowCache cache({}, kShelf, kRow, {});
  EXPECT_FALSE(cache.contains(key_of(1)));
  add_rows(cache, 1, 1, kRow);
  EXPECT_TRUE(cache.contains(key_of(1)));
  EXPECT_EQ(good_rows(cache, 1, 1, kRow), 1u);
  std::vector<uint8_t> out(kRow);
  EXPECT_FALSE(cache.read(key_of(2), out.data()));
}

TEST(RowCache, AKeyKeepsItsFirstRow) {
  RowCache cache({}, kShelf, kRow, {});
  add_rows(cache, 1, 1, kRow);
  cache.add(key_of(1), row_of(2, kRow).data());
  EXPECT_EQ(cache.rows(), 1);
  EXPECT_EQ(good_rows(cache, 1, 1, kRow), 1u);
}

TEST(RowCache, RowsAreThereAgainInANewObject) {
  const TempFolder folder;
  {
    RowCache cache({.folder = folder.path()}, kShelf, kRow, {});
    add_rows(cache, 0, 40, kRow);
    cache.flush();
    add_rows(cache, 40, 10, kRow);
    cache.flush();
    cache.flush();                 // nothing waits: no third file
    add_rows(cache, 50, 1, kRow);  // never written
    EXPECT_EQ(good_rows(cache, 0, 51, kRow), 51u);
  }
  EXPECT_EQ(segments_of(folder.path()).size(), 2u);
  const RowCache again({.folder = folder.path()}, kShelf, kRow, {});
  EXPECT_EQ(again.rows(), 50);
  EXPECT_EQ(good_rows(again, 0, 50, kRow), 50u);
  EXPECT_FALSE(again.contains(key_of(50)));
  EXPECT_EQ(again.damaged(), 0);
}

TEST(RowCache, AboutIsStoredForPeople) {
  const TempFolder folder;
  const Json about{{"model", "lite0"}, {"cut", 7}};
  RowCache cache({.folder = folder.path()}, kShelf, kRow, about);
  add_rows(cache, 0, 1, kRow);
  cache.flush();
  std::ifstream in(folder / (kShelf + "/about.json"));
  EXPECT_EQ(Json::parse(in), about);
}

TEST(RowCache, AShelfWithoutRowsHasNoFolder) {
  const TempFolder folder;
  RowCache cache({.folder = folder / "cache"}, kShelf, kRow, {});
  cache.flush();
  EXPECT_FALSE(fs::exists(folder / "cache"));
  add_rows(cache, 0, 1, kRow);
  EXPECT_FALSE(fs::exists(folder / "cache"));
  cache.flush();
  EXPECT_EQ(segments_of(folder / "cache").size(), 1u);
}

TEST(RowCache, RowsAreWrittenWhen32MiBHaveComeTogether) {
  const TempFolder folder;
  RowCache cache({.folder = folder.path()}, kShelf, 8 * kMiB, {});
  add_rows(cache, 0, 4, 8 * kMiB);
  EXPECT_TRUE(files_below(folder.path()).empty());
  add_rows(cache, 4, 1, 8 * kMiB);
  EXPECT_EQ(segments_of(folder.path()).size(), 1u);
  EXPECT_EQ(good_rows(cache, 0, 5, 8 * kMiB), 5u);
}

TEST(RowCache, ShelvesAreApart) {
  const TempFolder folder;
  write_shelf(folder.path(), kShelf, 0, 5, kRow);
  const RowCache other({.folder = folder.path()}, "ffff0000ffff0000", kRow, {});
  EXPECT_EQ(other.rows(), 0);
}

TEST(RowCache, TwoThatWriteTheSameRowsMakeOneFile) {
  const TempFolder folder;
  RowCache one({.folder = folder.path()}, kShelf, kRow, {});
  RowCache two({.folder = folder.path()}, kShelf, kRow, {});
  add_rows(one, 0, 20, kRow);
  for (uint64_t n = 20; n > 0; --n) add_rows(two, n - 1, 1, kRow);
  one.flush();
  const auto first = read_all(segments_of(folder.path()).at(0));
  two.flush();
  ASSERT_EQ(segments_of(folder.path()).size(), 1u);
  EXPECT_EQ(read_all(segments_of(folder.path())[0]), first);
  EXPECT_EQ(good_rows(one, 0, 20, kRow), 20u);
  EXPECT_EQ(good_rows(two, 0, 20, kRow), 20u);
}

TEST(RowCache, WhatTwoWroteIsFoundTogether) {
  const TempFolder folder;
  RowCache one({.folder = folder.path()}, kShelf, kRow, {});
  RowCache two({.folder = folder.path()}, kShelf, kRow, {});
  add_rows(one, 0, 20, kRow);
  add_rows(two, 10, 20, kRow);
  one.flush();
  two.flush();
  const RowCache both({.folder = folder.path()}, kShelf, kRow, {});
  EXPECT_EQ(both.rows(), 30);
  EXPECT_EQ(good_rows(both, 0, 30, kRow), 30u);
}

TEST(RowCache, AReaderKeepsWhatAnotherProcessRemoves) {
  const TempFolder folder;
  write_shelf(folder.path(), kShelf, 0, 20, kRow);
  const RowCache cache({.folder = folder.path(), .memory_budget = 0}, kShelf,
                       kRow, {});
  clear_cache(folder.path());
  EXPECT_TRUE(files_below(folder.path()).empty());
  EXPECT_EQ(good_rows(cache, 0, 20, kRow), 20u);
}

TEST(RowCache, OnlyOldUnfinishedFilesAreRemovedOnOpening) {
  const TempFolder folder;
  write_shelf(folder.path(), kShelf, 0, 1, kRow);
  const std::string shelf = folder / (kShelf + "/");
  for (const char* name : {"writing-7-1", "writing-7-2", "writing-mine"})
    write_text(shelf + name, "x");
  make_older(shelf + "writing-7-1", 3700);
  make_older(shelf + "writing-mine", 3700);
  const RowCache cache({.folder = folder.path()}, kShelf, kRow, {});
  EXPECT_FALSE(fs::exists(shelf + "writing-7-1"));
  EXPECT_TRUE(fs::exists(shelf + "writing-7-2"));
  EXPECT_TRUE(fs::exists(shelf + "writing-mine"));
}

TEST(RowCache, RefusesWhatIsNoShelf) {
  for (const char* name : {"", "abc", "../../../etc", "ABCDEF0123456789"})
    EXPECT_THROW(RowCache({}, name, kRow, {}), std::invalid_argument) << name;
  EXPECT_THROW(RowCache({}, kShelf, 0, {}), std::invalid_argument);
}

/// Three threads read everything again and again while rows are added.
void read_while_adding(const std::string& folder) {
  constexpr int64_t kBig = 4 * kMiB;  // 8 rows a segment
  RowCache cache({.folder = folder, .memory_budget = 8 * kMiB}, kShelf, kBig,
                 {});
  std::atomic<uint64_t> added = 0, wrong = 0;
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i)
    readers.emplace_back([&] {
      std::vector<uint8_t> row(kBig);
      while (!done)
        for (uint64_t n = 0; n < added; ++n) {
          const bool there = cache.read(key_of(n), row.data());
          // A look at the ends: making the whole row anew takes too long.
          wrong += !there || row.front() != row_of(n, 1)[0] ||
                   row.back() != row[0] || !cache.contains(key_of(n));
        }
    });
  std::vector<uint8_t> row(kBig);
  for (uint64_t n = 0; n < 18; ++n) {
    row.front() = row.back() = row_of(n, 1)[0];
    cache.add(key_of(n), row.data());
    added = n + 1;
  }
  cache.flush();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  done = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(cache.rows(), 18);
}

TEST(RowCacheThreads, ReadWhileRowsAreAddedAndWritten) {
  const TempFolder folder;
  read_while_adding(folder.path());
  EXPECT_EQ(segments_of(folder.path()).size(), 3u);
}

TEST(RowCacheThreads, ReadWhileRowsAreAddedAndSpilled) {
  read_while_adding("");
}

TEST(RowCacheThreads, CountADamagedRowOnce) {
  const TempFolder folder;
  write_shelf(folder.path(), kShelf, 0, 1, kRow);
  const std::string path = segments_of(folder.path()).at(0);
  auto bytes = read_all(path);
  bytes.back() ^= 1;
  write_all(path, bytes);
  const RowCache cache({.folder = folder.path()}, kShelf, kRow, {});
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i)
    readers.emplace_back([&] { EXPECT_EQ(good_rows(cache, 0, 1, kRow), 0u); });
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(cache.damaged(), 1);
}

}  // namespace
}  // namespace engraft
