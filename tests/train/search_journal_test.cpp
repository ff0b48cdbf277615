#include "train/search_journal.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/expect_fault.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

const Json kIdentity{{"data", "a"}, {"seed", 0}, {"flags", {{"lr", 0.1}}}};

TrialResult result(int64_t number) {
  TrialResult out;
  out.number = number;
  out.rung = 1;
  out.options = {{"lr", 0.001}, {"label-smoothing", Json()}};
  out.epochs = 5;
  out.best_epoch = 4;
  out.head_epochs = 2;
  out.whole = true;
  out.val_accuracy = 1.0 / 3;
  out.val_loss = 0.7;
  out.seconds = 1.5;
  out.failed = "a \"reason\"\nof two lines";
  return out;
}

TEST(SearchJournal, GivesBackWhatWasAppended) {
  const test::TempFolder folder;
  SearchJournal first(folder / "j", kIdentity);
  first.append(result(1));
  first.append(result(2));
  const SearchJournal second(folder / "j", kIdentity);
  EXPECT_FALSE(second.mended());
  ASSERT_EQ(second.results().size(), 2u);
  EXPECT_EQ(to_json(second.results()[0]), to_json(result(1)));
  EXPECT_EQ(to_json(second.results()[1]), to_json(result(2)));
}

TEST(SearchJournal, ALineCutShortAnywhereIsDropped) {
  const test::TempFolder folder;
  {
    SearchJournal journal(folder / "j", kIdentity);
    journal.append(result(1));
    journal.append(result(2));
  }
  const auto whole = test::read_all(folder / "j");
  size_t ends[3], line = 0;
  for (size_t i = 0; i < whole.size(); ++i)
    if (whole[i] == '\n') ends[line++] = i + 1;
  for (const size_t cut : {size_t{5}, ends[0] + 1, ends[1] - 1, ends[2] - 1}) {
    test::write_all(folder / "j", {whole.begin(), whole.begin() + cut});
    SearchJournal journal(folder / "j", kIdentity);
    EXPECT_TRUE(journal.mended()) << cut;
    EXPECT_EQ(journal.results().size(), cut < ends[1] ? 0u : 1u) << cut;
    journal.append(result(3));
    const SearchJournal again(folder / "j", kIdentity);
    EXPECT_FALSE(again.mended()) << cut;
    EXPECT_EQ(again.results().back().number, 3) << cut;
  }
}

TEST(SearchJournal, AnotherSearchIsRefusedWithWhatDiffers) {
  const test::TempFolder folder;
  { SearchJournal(folder / "j", kIdentity).append(result(1)); }
  Json other = kIdentity;
  other["seed"] = 1;
  other["flags"]["lr"] = 0.2;
  EXPECT_FAULT(SearchJournal(folder / "j", other), Fault::usage,
               "other seed, flags (lr); give another --out, or remove");
  EXPECT_EQ(SearchJournal(folder / "j", kIdentity).results().size(), 1u);
}

TEST(SearchJournal, DamageInTheMiddleIsNamed) {
  const test::TempFolder folder;
  { SearchJournal(folder / "j", kIdentity).append(result(1)); }
  auto bytes = test::read_all(folder / "j");
  for (const char c : std::string("{\"trial\": 2}\n")) bytes.push_back(c);
  test::write_all(folder / "j", bytes);
  EXPECT_FAULT(SearchJournal(folder / "j", kIdentity), Fault::data, "j:3");
  EXPECT_FAULT(SearchJournal(folder / "no/such/j", kIdentity), Fault::io,
               "no/such/j");
}

}  // namespace
}  // namespace engraft
