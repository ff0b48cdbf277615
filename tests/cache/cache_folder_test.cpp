// The cache as a whole: where it is, what is in it, and its removal.

#include "cache/cache_folder.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "engraft/cache/row_cache.h"
#include "support/cache_rows.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;
using namespace test;

constexpr int64_t kFolderRow = 100;
const std::string kOther = "ffff112233445566";

TEST(CacheFolder, TheMostParticularVariableNamesIt) {
  const EnvironmentScope none("ENGRAFT_CACHE", nullptr);
  const EnvironmentScope no_caches("XDG_CACHE_HOME", nullptr);
  const EnvironmentScope no_home("HOME", nullptr);
  EXPECT_EQ(default_cache_folder(), "");
  const EnvironmentScope home("HOME", "/home/anna");
  EXPECT_EQ(default_cache_folder(), "/home/anna/.cache/engraft");
  {
    const EnvironmentScope relative("XDG_CACHE_HOME", "caches");
    EXPECT_EQ(default_cache_folder(), "/home/anna/.cache/engraft");
  }
  const EnvironmentScope caches("XDG_CACHE_HOME", "/caches");
  EXPECT_EQ(default_cache_folder(), "/caches/engraft");
  const EnvironmentScope own("ENGRAFT_CACHE", "fast disk");
  EXPECT_EQ(default_cache_folder(), "fast disk");
  const EnvironmentScope empty("ENGRAFT_CACHE", "");
  EXPECT_EQ(default_cache_folder(), "/caches/engraft");
}

TEST(CacheFolder, ListsItsShelvesAndNothingElse) {
  const TempFolder folder;
  write_shelf(folder.path(), kOther, 0, 3, kFolderRow);
  write_shelf(folder.path(), kShelf, 0, 40, kFolderRow);
  {
    RowCache more({.folder = folder.path()}, kShelf, kFolderRow, {});
    add_rows(more, 40, 2, kFolderRow);
    more.flush();
  }
  make_older(folder / (kOther + "/about.json"), 500);
  write_text(folder / "readme.txt", "mine");
  write_text(folder / "aaaabbbbccccdddd/about.json", "{}");
  write_text(folder / "photos/a.rows", "mine");
  fs::create_directory_symlink(folder / kShelf, folder / "0123456789abcdef");

  const auto shelves = list_cache(folder.path());
  ASSERT_EQ(shelves.size(), 2u);
  EXPECT_EQ(shelves[0].name, kShelf);
  EXPECT_EQ(shelves[0].rows, 42);
  EXPECT_EQ(shelves[0].about, (Json{{"cut", kShelf}}));
  EXPECT_LT(shelves[0].age_seconds, 100);
  int64_t bytes = 0;
  for (const auto& path : files_below(folder / kShelf))
    bytes += static_cast<int64_t>(fs::file_size(path));
  EXPECT_EQ(shelves[0].bytes, bytes);
  EXPECT_EQ(shelves[1].name, kOther);
  EXPECT_EQ(shelves[1].rows, 3);
  EXPECT_NEAR(shelves[1].age_seconds, 500, 100);
}

TEST(CacheFolder, AMissingFolderIsEmptyAndAFileIsNone) {
  const TempFolder folder;
  EXPECT_TRUE(list_cache(folder / "none").empty());
  EXPECT_EQ(clear_cache(folder / "none"), 0);
  write_text(folder / "file", "x");
  message_of(Fault::io, [&] { list_cache(folder / "file"); });
  message_of(Fault::io, [&] { clear_cache(folder / "file"); });
}

TEST(CacheFolder, AShelfWithoutAReadableAboutIsListed) {
  const TempFolder folder;
  write_shelf(folder.path(), kShelf, 0, 3, kFolderRow);
  write_text(folder / (kShelf + "/about.json"), "{\"cut\": ");
  EXPECT_TRUE(list_cache(folder.path()).at(0).about.is_null());
  fs::remove(folder / (kShelf + "/about.json"));
  EXPECT_TRUE(list_cache(folder.path()).at(0).about.is_null());
  EXPECT_EQ(list_cache(folder.path())[0].rows, 3);
}

TEST(CacheFolder, FilesOfAnotherVersionAreListedWithoutRows) {
  const TempFolder folder;
  write_shelf(folder.path(), kShelf, 0, 3, kFolderRow);
  auto bytes = read_all(segments_of(folder.path()).at(0));
  bytes.at(8) = 2;
  write_all(segments_of(folder.path())[0], bytes);
  EXPECT_EQ(list_cache(folder.path()).at(0).rows, 0);
  EXPECT_GT(list_cache(folder.path())[0].bytes, 3 * kFolderRow);
}

TEST(CacheFolder, ClearingFreesWhatTheListSaid) {
  const TempFolder folder;
  write_shelf(folder.path(), kShelf, 0, 40, kFolderRow);
  write_shelf(folder.path(), kOther, 0, 3, kFolderRow);
  const auto shelves = list_cache(folder.path());
  EXPECT_EQ(clear_cache(folder.path(), "ffff"), shelves.at(1).bytes);
  EXPECT_FALSE(fs::exists(folder / kOther));
  EXPECT_EQ(clear_cache(folder.path(), "ffff"), 0);
  EXPECT_EQ(clear_cache(folder.path()), shelves.at(0).bytes);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(CacheFolder, ClearingLeavesWhatIsNotItsOwn) {
  const TempFolder folder, elsewhere;
  write_shelf(folder.path(), kShelf, 0, 4, kFolderRow);
  write_shelf(elsewhere.path(), kOther, 0, 4, kFolderRow);
  const std::string shelf = folder / (kShelf + "/");
  const std::string linked = segments_of(elsewhere.path(), kOther).at(0);
  const std::vector<std::string> foreign = {
      folder / "readme.txt", folder / "photos/a.rows",
      folder / "aaaabbbbccccdddd/about.json", shelf + "notes.txt",
      shelf + std::string(32, 'a') + ".rows"};
  for (const auto& path : foreign) write_text(path, "mine");
  fs::create_symlink(linked, shelf + std::string(32, 'b') + ".rows");
  fs::create_directory_symlink(elsewhere / kOther, folder / kOther);
  write_text(shelf + "writing-1-1", "perhaps being written");
  write_text(shelf + "writing-1-2", "left behind");
  make_older(shelf + "writing-1-2", 4000);

  EXPECT_GT(clear_cache(folder.path()), 4 * kFolderRow);
  for (const auto& path : foreign) EXPECT_TRUE(fs::exists(path)) << path;
  EXPECT_TRUE(fs::exists(linked));
  EXPECT_TRUE(fs::is_symlink(folder / kOther));
  EXPECT_TRUE(fs::exists(shelf + "writing-1-1"));
  EXPECT_EQ(files_below(folder.path()).size(), foreign.size() + 2);
}

TEST(CacheFolder, WhatIsDamagedIsClearedToo) {
  const TempFolder folder;
  write_shelf(folder.path(), kShelf, 0, 4, kFolderRow);
  auto bytes = read_all(segments_of(folder.path()).at(0));
  bytes.resize(30);
  write_all(segments_of(folder.path())[0], bytes);
  write_text(folder / (kShelf + "/" + std::string(32, 'c') + ".rows"), "");
  EXPECT_EQ(list_cache(folder.path()).at(0).rows, 0);
  clear_cache(folder.path());
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace engraft
