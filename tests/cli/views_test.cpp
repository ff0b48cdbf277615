// Test-time views and training views on the command line.

#include <gtest/gtest.h>

#include "cli/colour_model.h"
#include "cli/process.h"

namespace engraft {
namespace {

using test::expect_usage_error;
using test::Outcome;
using test::run_engraft;
using test::TempFolder;

class CliViews : public testing::Test {
 protected:
  CliViews() : model_(test::write_colour_model(folder_ / "colours.pt")) {
    test::write_colour_data(folder_ / "data", 3);
  }

  Outcome eval(const std::vector<std::string>& more) const {
    std::vector<std::string> words{"eval", model_, folder_ / "data"};
    words.insert(words.end(), more.begin(), more.end());
    return run_engraft(words);
  }

  const TempFolder folder_;
  const std::string model_;
};

TEST_F(CliViews, EvalShowsWhatEachKindOfViewGains) {
  const Outcome run = eval({"--scales", "1,1.2"});
  ASSERT_EQ(run.code, 0) << run.err;
  for (const char* part :
       {"1 crop ", "10 crops, 2 scales", "\nviews\n", "points", "centre",
        "ten crops", "scale 1.2, ten crops", "all", "+0.0"})
    EXPECT_NE(run.out.find(part), std::string::npos) << part << run.out;
}

TEST_F(CliViews, EvalOfOneScaleShowsNoTableOfThem) {
  const Outcome run = eval({});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out.find("views"), std::string::npos) << run.out;
}

TEST_F(CliViews, EvalOfAnotherScaleAloneNamesIt) {
  const Outcome run = eval({"--scales", "1.2", "--crops", "1"});
  ASSERT_EQ(run.code, 0) << run.err;
  const size_t row = run.out.find("1 crop, scale 1.2");
  ASSERT_NE(row, std::string::npos) << run.out;
  EXPECT_EQ(run.out.find("1 crop", row + 1), std::string::npos) << run.out;
}

TEST_F(CliViews, JsonHasTheScalesAndARowAView) {
  test::write_text(folder_ / "c.json", R"({"scales": [1, 1.2], "crops": 5})");
  const Outcome run = eval({"--json", "--config", folder_ / "c.json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Json json = Json::parse(run.out);
  EXPECT_EQ(json["crops"], 5);
  EXPECT_EQ(json["scales"], Json::array({1.0, 1.2}));
  EXPECT_EQ(json["one_crop"]["scales"], Json::array({1.0}));
  ASSERT_EQ(json["views"].size(), 4u);
  EXPECT_EQ(json["views"][2]["view"], "scale 1.2, five crops");
  EXPECT_EQ(json["views"][0]["loss"], json["one_crop"]["loss"]);
  EXPECT_EQ(json["views"][3]["loss"], json["loss"]);
  EXPECT_EQ(json["views"][3]["top1"], json["top1"]);
}

TEST(CliUsageOfScales, TakesACommaSeparatedListAndNamesWhatIsWrongInIt) {
  expect_usage_error({"predict", "--scales", "1,x"},
                     "--scales: 'x' is not a number");
  expect_usage_error({"predict", "--scales", "1,"},
                     "--scales: '' is not a number");
  expect_usage_error({"predict", "--scales", "1,3.5"},
                     "--scales: 3.5 is outside of [0.5, 3]");
}

TEST(CliUsageOfScales, HelpShowsTheListAndItsDefault) {
  const std::string help = run_engraft({"eval", "--help"}).out;
  EXPECT_NE(help.find("--scales X,..."), std::string::npos) << help;
  EXPECT_NE(help.find("0.5 to 3; default 1)"), std::string::npos) << help;
}

TEST(CliUsageOfPolicies, NamesTheFlagsThatExcludeEachOther) {
  expect_usage_error({"train", "d", "--out", "o.pt", "--policy", "trivial",
                      "--brightness", "0.3"},
                     "--brightness and --policy trivial exclude each other");
  expect_usage_error({"plan", "d", "--policy-magnitude", "5"},
                     "--policy-magnitude and --policy none exclude each other");
}

}  // namespace
}  // namespace engraft
