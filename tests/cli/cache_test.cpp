// `engraft cache`: the list, the document and what is cleared.

#include <gtest/gtest.h>

#include <filesystem>

#include "cli/process.h"
#include "engraft/json.h"
#include "support/cache_rows.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;
using namespace test;

constexpr int64_t kCachedRow = 100000;
const std::string kOtherShelf = "ffff112233445566";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void fill(const std::string& folder) {
  write_shelf(folder, kOtherShelf, 0, 1, kCachedRow);
  RowCache cache({.folder = folder}, kShelf, kCachedRow,
                 Json{{"model", "lite0"}, {"cut", 7}, {"secret", "x"}});
  add_rows(cache, 0, 30, kCachedRow);
  cache.flush();
}

TEST(CliCache, ListsShelvesWithWhatTheyHold) {
  const TempFolder folder;
  fill(folder.path());
  const Outcome run = run_engraft({"cache", "--cache", folder.path()});
  EXPECT_EQ(run.code, 0) << run.err;
  for (const char* part : {"001122334455  ", "  3.0 MB  30 rows  used ",
                           "  model lite0, cut 7\n", "1 row", "3.1 MB in 2 "})
    EXPECT_TRUE(contains(run.out, part)) << part << '\n' << run.out;
  EXPECT_TRUE(contains(run.out, folder.path()));
  EXPECT_FALSE(contains(run.out, "secret"));
  EXPECT_FALSE(contains(run.out, kShelf));
}

TEST(CliCache, WritesTheSameAsJson) {
  const TempFolder folder;
  fill(folder.path());
  const Json json = Json::parse(
      run_engraft({"cache", "--json", "--cache", folder.path()}).out);
  int64_t bytes = 0;
  for (const auto& path : files_below(folder.path()))
    bytes += static_cast<int64_t>(fs::file_size(path));
  EXPECT_EQ(json.at("folder"), folder.path());
  EXPECT_EQ(json.at("bytes"), bytes);
  ASSERT_EQ(json.at("shelves").size(), 2u);
  const Json& shelf = json["shelves"][0];
  EXPECT_EQ(shelf.at("name"), kShelf);
  EXPECT_EQ(shelf.at("about").at("model"), "lite0");
  EXPECT_EQ(shelf.at("rows"), 30);
  EXPECT_GE(shelf.at("bytes"), 30 * kCachedRow);
  EXPECT_LT(shelf.at("age_seconds"), 100);
}

TEST(CliCache, ClearsOneShelfOrAll) {
  const TempFolder folder;
  fill(folder.path());
  const EnvironmentScope scope("ENGRAFT_CACHE", folder.path().c_str());
  const Outcome unknown = run_engraft({"cache", "--clear", "abc"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_TRUE(contains(unknown.err, "001122334455, ffff11223344"))
      << unknown.err;
  EXPECT_TRUE(contains(run_engraft({"cache", "--clear", "0011"}).out,
                       "freed 3.0 MB\n"));
  EXPECT_FALSE(fs::exists(folder / kShelf));
  EXPECT_TRUE(fs::exists(folder / kOtherShelf));
  const Outcome all = run_engraft({"cache", "--clear"});
  EXPECT_EQ(all.out,
            "freed 100.2 kB\nthe cache is empty: " + folder.path() + "\n");
  EXPECT_TRUE(files_below(folder.path()).empty());
}

TEST(CliCache, SaysWhenThereIsNoFolderToLookInto) {
  const EnvironmentScope own("ENGRAFT_CACHE", nullptr);
  const EnvironmentScope caches("XDG_CACHE_HOME", nullptr);
  const EnvironmentScope home("HOME", nullptr);
  const Outcome run = run_engraft({"cache"});
  EXPECT_EQ(run.code, 2);
  EXPECT_TRUE(contains(run.err, "--cache DIR")) << run.err;
}

}  // namespace
}  // namespace engraft
