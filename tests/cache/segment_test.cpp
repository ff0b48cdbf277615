// The format of segments on the disk, and files that do not follow it.

#include "cache/segment.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <functional>

#include "data/content_hash.h"
#include "support/cache_rows.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;
using namespace test;
using Content = std::vector<uint8_t>;

constexpr int64_t kSegmentRow = 64;

uint64_t number(const Content& bytes, size_t at, int size = 8) {
  uint64_t value = 0;
  for (int i = size; i-- > 0;)
    value = value << 8 | bytes.at(at + static_cast<size_t>(i));
  return value;
}

/// Where the documentation says that the rows begin.
size_t rows_offset(const Content& bytes) {
  return (48 + 24 * number(bytes, 40) + 16 + 63) / 64 * 64;
}

TEST(Segment, IsWhatItsDocumentationSays) {
  const TempFolder folder;
  write_shelf(folder.path(), kShelf, 0, 3, kSegmentRow);
  const std::string path = segments_of(folder.path()).at(0);
  const Content bytes = read_all(path);
  EXPECT_EQ(std::memcmp(bytes.data(), "ENGRROWS", 8), 0);
  EXPECT_EQ(number(bytes, 8, 4), 1u);
  EXPECT_EQ(number(bytes, 16), content_hash(kShelf).high);
  EXPECT_EQ(number(bytes, 24), content_hash(kShelf).low);
  EXPECT_EQ(number(bytes, 32), 64u);
  ASSERT_EQ(number(bytes, 40), 3u);
  const ContentHash hash = content_hash(Bytes(bytes).first(48 + 24 * 3));
  EXPECT_EQ(number(bytes, 120), hash.high);
  EXPECT_EQ(number(bytes, 128), hash.low);
  EXPECT_EQ(fs::path(path).filename(), hash.hex() + ".rows");
  ASSERT_EQ(rows_offset(bytes), 192u);
  ASSERT_EQ(bytes.size(), 192u + 3 * 64);
  RowKey before;
  for (size_t i = 0; i < 3; ++i) {
    const RowKey key{number(bytes, 48 + 24 * i), number(bytes, 56 + 24 * i)};
    const Bytes row = Bytes(bytes).subspan(192 + 64 * i, 64);
    uint64_t n = 0;
    while (key_of(n) != key) ASSERT_LT(++n, 3u);
    EXPECT_EQ(Content(row.begin(), row.end()), row_of(n, kSegmentRow));
    EXPECT_EQ(number(bytes, 64 + 24 * i), content_hash(row).high);
    EXPECT_LT(before, key);
    before = key;
  }
}

TEST(Segment, ADamagedRowAloneIsMissingAndCanBeAddedAgain) {
  const TempFolder folder;
  write_shelf(folder.path(), kShelf, 0, 10, kSegmentRow);
  const std::string path = segments_of(folder.path()).at(0);
  Content bytes = read_all(path);
  bytes[rows_offset(bytes) + 4 * 64 + 17] ^= 0x20;
  write_all(path, bytes);

  RowCache cache({.folder = folder.path()}, kShelf, kSegmentRow, {});
  EXPECT_EQ(cache.rows(), 10);
  uint64_t missing = 10;
  for (uint64_t n = 0; n < 10; ++n)
    if (good_rows(cache, n, 1, kSegmentRow) == 0) missing = n;
  ASSERT_LT(missing, 10u);
  EXPECT_EQ(good_rows(cache, 0, 10, kSegmentRow), 9u);
  EXPECT_EQ(cache.damaged(), 1);
  EXPECT_EQ(cache.rows(), 9);
  EXPECT_FALSE(cache.contains(key_of(missing)));

  add_rows(cache, missing, 1, kSegmentRow);
  EXPECT_EQ(good_rows(cache, 0, 10, kSegmentRow), 10u);
  cache.flush();
  const RowCache again({.folder = folder.path()}, kShelf, kSegmentRow, {});
  EXPECT_EQ(good_rows(again, 0, 10, kSegmentRow), 10u);
}

TEST(Segment, AGoodCopyIsReadWhicheverFileIsMetFirst) {
  for (const bool damaged_is_older : {false, true}) {
    const TempFolder folder;
    write_shelf(folder.path(), kShelf, 0, 1, kSegmentRow);
    const std::string path = segments_of(folder.path()).at(0);
    RowCache second({.folder = folder / "elsewhere"}, kShelf, kSegmentRow, {});
    add_rows(second, 0, 2, kSegmentRow);
    second.flush();
    const std::string good = segments_of(folder / "elsewhere").at(0);
    const std::string beside =
        fs::path(path).parent_path() / fs::path(good).filename();
    fs::copy_file(good, beside);
    Content bytes = read_all(path);
    bytes.back() ^= 1;
    write_all(path, bytes);
    make_older(damaged_is_older ? path : beside, 100);
    const RowCache cache({.folder = folder.path()}, kShelf, kSegmentRow, {});
    EXPECT_EQ(good_rows(cache, 0, 2, kSegmentRow), 2u);
    EXPECT_EQ(cache.damaged(), damaged_is_older ? 0 : 1);
  }
}

/// What a shelf whose one segment was changed so has left, after which the
/// same rows are added again and must be there.
void expect_ignored(const std::string& what,
                    const std::function<void(Content&)>& change) {
  SCOPED_TRACE(what);
  const TempFolder folder;
  write_shelf(folder.path(), kShelf, 0, 10, kSegmentRow);
  const std::string path = segments_of(folder.path()).at(0);
  const Content good = read_all(path);
  Content bytes = good;
  change(bytes);
  write_all(path, bytes);
  RowCache cache({.folder = folder.path()}, kShelf, kSegmentRow, {});
  EXPECT_EQ(cache.rows(), 0);
  EXPECT_EQ(good_rows(cache, 0, 10, kSegmentRow), 0u);
  EXPECT_EQ(cache.damaged(), 1);
  add_rows(cache, 0, 10, kSegmentRow);
  cache.flush();
  EXPECT_EQ(cache.trouble(), "");
  EXPECT_EQ(segments_of(folder.path()).size(), 1u);
  EXPECT_EQ(read_all(path), good);
}

TEST(Segment, WhatIsNoneIsIgnoredAndWrittenAnew) {
  for (const size_t at : {0, 8, 12, 16, 32, 40, 48, 100, 290, 300})
    expect_ignored("byte " + std::to_string(at),
                   [at](Content& bytes) { bytes.at(at) ^= 1; });
  for (const size_t size : {0, 1, 47, 48, 63, 64, 100, 300, 383, 384, 1023})
    expect_ignored("cut at " + std::to_string(size),
                   [size](Content& bytes) { bytes.resize(size); });
  expect_ignored("longer", [](Content& bytes) { bytes.push_back(0); });
  expect_ignored("foreign", [](Content& bytes) { bytes = {'P', 'K', 3, 4}; });
  expect_ignored("zeros",
                 [](Content& bytes) { std::ranges::fill(bytes, uint8_t{0}); });
  expect_ignored("a count beyond all bounds", [](Content& bytes) {
    std::fill(bytes.begin() + 40, bytes.begin() + 48, uint8_t{0xFF});
  });
}

/// A segment that is whole but speaks of something else: the header is changed
/// and everything that hangs on it made right again.
void make_whole(const std::string& path, Content bytes) {
  const size_t hashed = 48 + 24 * number(bytes, 40);
  const ContentHash hash = content_hash(Bytes(bytes).first(hashed));
  for (size_t i = 0; i < 8; ++i) {
    bytes[hashed + i] = static_cast<uint8_t>(hash.high >> (8 * i));
    bytes[hashed + 8 + i] = static_cast<uint8_t>(hash.low >> (8 * i));
  }
  fs::remove(path);
  write_all(fs::path(path).parent_path() / (hash.hex() + ".rows"), bytes);
}

TEST(Segment, AWholeOneOfAnotherVersionShelfOrRowSizeIsIgnored) {
  struct Case {
    size_t at;
    uint8_t value;
    int64_t rows;
  };
  // The first changes nothing, to show that make_whole does its part.
  for (const auto& [at, value, rows] :
       {Case{8, 1, 10}, Case{8, 2, 0}, Case{16, 0x5A, 0}, Case{32, 65, 0}}) {
    const TempFolder folder;
    write_shelf(folder.path(), kShelf, 0, 10, kSegmentRow);
    const std::string path = segments_of(folder.path()).at(0);
    Content bytes = read_all(path);
    bytes[at] = value;
    if (value == 65) bytes.resize(bytes.size() + 10);
    make_whole(path, bytes);
    const RowCache cache({.folder = folder.path()}, kShelf, kSegmentRow, {});
    EXPECT_EQ(cache.rows(), rows) << at;
    EXPECT_EQ(cache.damaged(), rows == 0) << at;
  }
  const TempFolder folder;
  write_shelf(folder.path(), kShelf, 0, 10, kSegmentRow);
  const RowCache wider({.folder = folder.path()}, kShelf, kSegmentRow + 1, {});
  EXPECT_EQ(wider.rows(), 0);
  EXPECT_EQ(wider.damaged(), 1);
}

TEST(Segment, AGoodOneUnderAnotherNameIsIgnored) {
  const TempFolder folder;
  write_shelf(folder.path(), kShelf, 0, 10, kSegmentRow);
  fs::rename(segments_of(folder.path()).at(0),
             folder / (kShelf + "/" + std::string(32, 'a') + ".rows"));
  const RowCache cache({.folder = folder.path()}, kShelf, kSegmentRow, {});
  EXPECT_EQ(cache.rows(), 0);
  EXPECT_EQ(cache.damaged(), 1);
}

TEST(Segment, ForeignFilesAndLinksInAShelfAreNotRead) {
  const TempFolder folder, elsewhere;
  write_shelf(elsewhere.path(), kShelf, 0, 10, kSegmentRow);
  const std::string good = segments_of(elsewhere.path()).at(0);
  const std::string name = fs::path(good).filename();
  write_shelf(folder.path(), kShelf, 20, 1, kSegmentRow);
  fs::create_symlink(good, folder / (kShelf + "/" + name));
  write_text(folder / (kShelf + "/notes.rows"), "not ours");
  fs::create_directory(folder /
                       (kShelf + "/" + std::string(32, 'a') + ".rows"));
  const RowCache cache({.folder = folder.path()}, kShelf, kSegmentRow, {});
  EXPECT_EQ(cache.rows(), 1);
  EXPECT_EQ(cache.damaged(), 0);
}

}  // namespace
}  // namespace engraft
