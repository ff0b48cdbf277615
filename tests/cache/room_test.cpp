// What happens where room is short: on the disk, in memory, in the limit.

#include "cache/room.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>

#include "engraft/cache/row_cache.h"
#include "support/cache_rows.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;
using namespace test;

constexpr int64_t kRoomRow = 1000;
constexpr int64_t kGiB = int64_t{1} << 30;

std::string shelf_name(int n) { return "abcdef000000000" + std::to_string(n); }

int64_t size_of(const std::string& folder) {
  const auto files = files_below(folder);
  return std::accumulate(files.begin(), files.end(), int64_t{0},
                         [](int64_t sum, const std::string& path) {
                           return sum +
                                  static_cast<int64_t>(fs::file_size(path));
                         });
}

TEST(Room, ADiskKeepsFivePercentFreeButNoMoreThanAGibibyte) {
  EXPECT_EQ(kept_free({.capacity = 100 * kGiB}), kGiB);
  EXPECT_EQ(kept_free({.capacity = 10 * kGiB}), kGiB / 2);
}

TEST(Room, TheTighterBoundCounts) {
  const Room room{
      .used = 70, .limit = 100, .available = kGiB + 50, .capacity = 100 * kGiB};
  EXPECT_LE(shortage(room, 30), 0);
  EXPECT_EQ(shortage(room, 40), 10);  // of the limit
  Room full = room;
  full.available = kGiB + 5;
  EXPECT_EQ(shortage(full, 30), 25);  // of the disk
}

/// Three shelves of which number 1 was used last and number 0 before it.
void write_three(const std::string& folder) {
  for (int n = 0; n < 3; ++n) {
    write_shelf(folder, shelf_name(n), 0, 10, kRoomRow);
    const int64_t age = n == 2 ? 3000 : n == 0 ? 2000 : 1000;
    make_older(folder + "/" + shelf_name(n) + "/about.json", age);
  }
}

TEST(Room, TheShelvesUsedLastStay) {
  const TempFolder folder;
  write_three(folder.path());
  const int64_t limit = size_of(folder.path()) + 100;
  RowCache cache({.folder = folder.path(), .disk_limit = limit}, kShelf,
                 kRoomRow, {});
  add_rows(cache, 0, 10, kRoomRow);
  cache.flush();
  EXPECT_EQ(cache.trouble(), "");
  EXPECT_FALSE(fs::exists(folder / shelf_name(2)));
  EXPECT_TRUE(fs::exists(folder / shelf_name(0)));
  EXPECT_TRUE(fs::exists(folder / shelf_name(1)));
  EXPECT_LE(size_of(folder.path()), limit);

  // Opening a shelf is use.
  const RowCache opened({.folder = folder.path()}, shelf_name(0), kRoomRow, {});
  add_rows(cache, 10, 10, kRoomRow);
  cache.flush();
  EXPECT_TRUE(fs::exists(folder / shelf_name(0)));
  EXPECT_FALSE(fs::exists(folder / shelf_name(1)));
  EXPECT_LE(size_of(folder.path()), limit);
  EXPECT_EQ(good_rows(opened, 0, 10, kRoomRow), 10u);
}

TEST(Room, BeyondTheLimitNothingIsWrittenOrRemoved) {
  const TempFolder folder;
  write_three(folder.path());
  const auto before = files_below(folder.path());
  RowCache cache({.folder = folder.path(), .disk_limit = 5 * kRoomRow}, kShelf,
                 kRoomRow, {});
  add_rows(cache, 0, 10, kRoomRow);
  cache.flush();
  EXPECT_NE(cache.trouble().find("limit"), std::string::npos)
      << cache.trouble();
  EXPECT_EQ(files_below(folder.path()), before);
  EXPECT_FALSE(fs::exists(folder / kShelf));
  EXPECT_EQ(good_rows(cache, 0, 10, kRoomRow), 10u);
}

TEST(Room, AShelfDoesNotMakeRoomForItself) {
  const TempFolder folder;
  RowCache cache({.folder = folder.path(), .disk_limit = 15 * kRoomRow}, kShelf,
                 kRoomRow, {});
  add_rows(cache, 0, 10, kRoomRow);
  cache.flush();
  EXPECT_EQ(cache.trouble(), "");
  add_rows(cache, 10, 10, kRoomRow);
  cache.flush();
  EXPECT_NE(cache.trouble(), "");
  EXPECT_EQ(good_rows(cache, 0, 20, kRoomRow), 20u);
  const RowCache again({.folder = folder.path()}, kShelf, kRoomRow, {});
  EXPECT_EQ(again.rows(), 10);
}

TEST(Room, WhereTheFolderCannotBeRowsAreKeptElsewhere) {
  const TempFolder folder;
  write_text(folder / "file", "");
  RowCache cache({.folder = folder / "file/cache"}, kShelf, kRoomRow, {});
  add_rows(cache, 0, 5, kRoomRow);
  EXPECT_EQ(cache.trouble(), "");
  cache.flush();
  EXPECT_NE(cache.trouble().find(folder / "file"), std::string::npos)
      << cache.trouble();
  add_rows(cache, 5, 5, kRoomRow);
  cache.flush();
  EXPECT_EQ(good_rows(cache, 0, 10, kRoomRow), 10u);
}

TEST(Room, AFullDiskLeavesNothingHalfWritten) {
  const TempFolder folder;
  RowCache cache({.folder = folder.path()}, kShelf, kRoomRow, {});
  add_rows(cache, 0, 100, kRoomRow);
  const FullDisk full(50 * kRoomRow);
  cache.flush();
  EXPECT_NE(cache.trouble(), "");
  EXPECT_FALSE(fs::exists(folder / kShelf));
  EXPECT_EQ(good_rows(cache, 0, 100, kRoomRow), 100u);
}

/// Maps of files below `folder` whose names are gone.
int nameless_maps(const std::string& folder) {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);)
    count +=
        line.find(folder) != std::string::npos && line.ends_with("(deleted)");
  return count;
}

TEST(Room, BeyondTheMemoryBudgetRowsGoToAFileWithoutAName) {
  const TempFolder folder;
  const EnvironmentScope scope("TMPDIR", folder.path().c_str());
  RowCache cache({.folder = "", .memory_budget = 40 * kMiB}, kShelf, 4 * kMiB,
                 {});
  add_rows(cache, 0, 16, 4 * kMiB);  // 32 MiB in place, 32 MiB waiting
  EXPECT_EQ(nameless_maps(folder.path()), 0);
  add_rows(cache, 16, 1, 4 * kMiB);
  EXPECT_EQ(nameless_maps(folder.path()), 1);
  EXPECT_TRUE(files_below(folder.path()).empty());
  EXPECT_EQ(good_rows(cache, 0, 17, 4 * kMiB), 17u);
  EXPECT_EQ(cache.trouble(), "");
}

TEST(Room, WhenNothingHoldsMoreRowsAddSaysWhatToDo) {
  RowCache cache({.folder = "", .memory_budget = 0}, kShelf, 4 * kMiB, {});
  add_rows(cache, 0, 8, 4 * kMiB);
  {
    const FullDisk full(kMiB);
    const std::string text =
        message_of(Fault::io, [&] { add_rows(cache, 8, 1, 4 * kMiB); });
    EXPECT_NE(text.find("32 MiB"), std::string::npos) << text;
    EXPECT_NE(text.find("TMPDIR"), std::string::npos) << text;
    EXPECT_FALSE(cache.contains(key_of(8)));
    EXPECT_EQ(good_rows(cache, 0, 8, 4 * kMiB), 8u);
  }
  add_rows(cache, 8, 1, 4 * kMiB);  // there is room again
  EXPECT_EQ(good_rows(cache, 0, 9, 4 * kMiB), 9u);
}

/// Mapped pages in this process's resident memory.
int64_t resident_file_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "RssFile:") {
      int64_t kibibytes = 0;
      status >> kibibytes;
      return kibibytes << 10;
    }
  return 0;
}

TEST(Room, ResidentMemoryStaysBoundedWhileMoreThanItIsRead) {
  const TempFolder folder;
  constexpr int64_t kBytes = kMiB / 4;
  std::vector<uint8_t> row(kBytes);
  const auto grown = [&](int64_t budget) {
    RowCache cache({.folder = folder.path(), .memory_budget = budget}, kShelf,
                   kBytes, {});
    for (uint64_t n = 0; n < 320; ++n) cache.add(key_of(n), row.data());
    cache.flush();
    const int64_t before = resident_file_bytes();
    for (uint64_t n = 0; n < 320; ++n)
      EXPECT_TRUE(cache.read(key_of(n), row.data()));
    return resident_file_bytes() - before;
  };
  // 80 MiB are read. 16 MiB may be there between two times of giving back;
  // what lies within the budget stays: two files of 32 MiB.
  EXPECT_LE(grown(0), 20 * kMiB);
  EXPECT_GE(grown(70 * kMiB), 48 * kMiB);
}

}  // namespace
}  // namespace engraft
