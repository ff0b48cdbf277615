// Which pictures are held out.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "data/content_hash.h"
#include "data/listing.h"

namespace engraft {
namespace {

std::vector<Entry> entries_of(int count, const std::string& label,
                              const std::string& prefix) {
  std::vector<Entry> entries;
  for (int i = 0; i < count; ++i) {
    const std::string name = prefix + std::to_string(i);
    entries.push_back({name, label, Side::undecided, content_hash(name).hex()});
  }
  return entries;
}

std::map<std::string, Side> sides(std::vector<Entry> entries,
                                  double fraction = 0.2, int64_t seed = 0) {
  split_by_content(entries, fraction, seed);
  std::map<std::string, Side> out;
  for (const Entry& entry : entries) out[entry.path] = entry.side;
  return out;
}

int64_t count_val(const std::map<std::string, Side>& split) {
  return std::ranges::count_if(
      split, [](const auto& item) { return item.second == Side::val; });
}

void append(std::vector<Entry>& to, const std::vector<Entry>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

TEST(Split, HoldsOutAboutTheFraction) {
  // Four standard deviations of a binomial: sqrt(2000 * 0.2 * 0.8) = 18.
  EXPECT_NEAR(count_val(sides(entries_of(2000, "a", "p"))), 400, 72);
  EXPECT_NEAR(count_val(sides(entries_of(2000, "a", "p"), 0.5)), 1000, 90);
}

TEST(Split, MovesNoOldPictureWhenNewOnesCome) {
  std::vector<Entry> entries = entries_of(50, "a", "old");
  append(entries, entries_of(50, "b", "older"));
  const auto before = sides(entries);
  append(entries, entries_of(70, "a", "new"));
  append(entries, entries_of(70, "c", "newer"));
  std::ranges::reverse(entries);
  const auto after = sides(entries);
  for (const auto& [path, side] : before) EXPECT_EQ(after.at(path), side);
}

TEST(Split, KeepsCopiesOnOneSide) {
  std::vector<Entry> entries = entries_of(100, "a", "p");
  std::vector<Entry> copies = entries_of(100, "a", "p");
  for (Entry& copy : copies) copy.path += " copy";
  copies[7].label = "b";  // also under another class
  append(entries, copies);
  append(entries, entries_of(20, "b", "q"));
  const auto split = sides(entries);
  for (int i = 0; i < 100; ++i) {
    std::string path = "p";
    path += std::to_string(i);
    EXPECT_EQ(split.at(path), split.at(path + " copy"));
  }
}

TEST(Split, GivesEveryClassBothSidesWhereItHasTwoPictures) {
  for (int i = 0; i < 50; ++i) {  // many small classes
    const std::string prefix = "class " + std::to_string(i) + " ";
    EXPECT_EQ(count_val(sides(entries_of(2, "a", prefix))), 1);
    EXPECT_EQ(count_val(sides(entries_of(1, "a", prefix), 0.9)), 0);
    const auto three = count_val(sides(entries_of(3, "a", prefix), 0.9));
    EXPECT_TRUE(three == 1 || three == 2);
  }
}

TEST(Split, KeepsCopiesTogetherAlsoWhereAClassIsSmall) {
  for (int i = 0; i < 50; ++i) {
    const std::string prefix = "class " + std::to_string(i) + " ";
    std::vector<Entry> entries = entries_of(2, "a", prefix);
    append(entries, entries_of(2, "b", prefix));  // the same two
    for (size_t k = 2; k < 4; ++k) entries[k].path += " b";
    const auto split = sides(entries);
    EXPECT_EQ(split.at(prefix + "0"), split.at(prefix + "0 b"));
    EXPECT_NE(split.at(prefix + "0"), split.at(prefix + "1"));
  }
}

TEST(Split, HoldsOutOtherPicturesForAnotherSeed) {
  const auto entries = entries_of(100, "a", "p");
  EXPECT_EQ(sides(entries, 0.2, 1), sides(entries, 0.2, 1));
  EXPECT_NE(sides(entries, 0.2, 1), sides(entries, 0.2, 2));
}

}  // namespace
}  // namespace engraft
