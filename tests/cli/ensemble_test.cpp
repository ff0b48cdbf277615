// Several models at once, by the binary.

#include "engraft/model/ensemble.h"

#include <gtest/gtest.h>

#include <sstream>

#include "cli/colour_model.h"
#include "cli/process.h"

namespace engraft {
namespace {

using test::Outcome;
using test::run_engraft;
using test::TempFolder;

class CliEnsemble : public testing::Test {
 protected:
  CliEnsemble() { test::write_colour_data(data_, 3); }

  /// `text` holds the parts, wherever its lines end.
  static void expect_parts(const std::string& text,
                           const std::vector<std::string>& parts) {
    std::istringstream words(text);
    std::string line;
    for (std::string word; words >> word;) line += word + " ";
    for (const auto& part : parts)
      EXPECT_NE(line.find(part), std::string::npos) << part << "\n" << text;
  }

  const TempFolder folder_;
  const std::string one_ =
      test::write_half_right_model(folder_ / "one.pt", false);
  const std::string two_ =
      test::write_half_right_model(folder_ / "two.pt", true);
  const std::string data_ = folder_ / "data";
};

TEST_F(CliEnsemble, EvalPrintsEveryModelAndWhatTheMeanGains) {
  const Outcome run = run_engraft({"eval", one_, "--with", two_, data_,
                                   "--crops", "5", "--min-accuracy", "1"});
  EXPECT_EQ(run.code, 0) << run.err;
  expect_parts(run.out, {"model 1 " + one_, "model 2 " + two_, "5 crops",
                         "model 1 66.7 %", "model 2 33.3 %", "100.0 %",
                         "+33.3 points of top-1 over model 1",
                         "right on 3 pictures", "p = 0.25: it may"});
  EXPECT_EQ(run_engraft({"eval", one_, data_, "--min-accuracy", "1"}).code, 1);
}

TEST_F(CliEnsemble, EvalGivesMembersAndGainInJsonAlsoFromConfig) {
  test::write_text(folder_ / "c.json", Json{{"with", {two_, two_}}}.dump());
  const std::vector<std::string> words{
      "eval", one_, data_, "--json", "--config", folder_ / "c.json"};
  const Json three = Json::parse(run_engraft(words).out);
  EXPECT_EQ(three["members"].size(), 3u);
  auto with_flag = words;
  with_flag.insert(with_flag.end() - 2, {"--with", two_});
  const Json json = Json::parse(run_engraft(with_flag).out);
  ASSERT_EQ(json["members"].size(), 2u);
  EXPECT_EQ(json["model"], one_);
  EXPECT_EQ(json["top1"], 1.0);
  EXPECT_FALSE(json.contains("inference"));
  for (const char* key :
       {"model", "crops", "average", "images", "top1", "top1_ci95", "top5",
        "mean_per_class", "macro_f1", "loss", "confusion", "seconds",
        "one_crop", "inference"})
    EXPECT_TRUE(json["members"][1].contains(key)) << key;
  for (const char* key : {"data", "split", "classes", "members", "gain"})
    EXPECT_FALSE(json["members"][1].contains(key)) << key;
  EXPECT_EQ(json["members"][1]["model"], two_);
  EXPECT_EQ(json["gain"]["best_member"], 0);
  EXPECT_EQ(json["gain"]["won"], 3);
  EXPECT_NEAR(json["gain"]["p_value"].get<double>(), 0.25, 1e-12);
}

TEST_F(CliEnsemble, PredictPrintsTheMeanOfBoth) {
  const std::string picture = data_ + "/blue/0.png";
  const auto probability = [&](const std::vector<std::string>& models) {
    std::vector<std::string> words{"predict"};
    words.insert(words.end(), models.begin(), models.end());
    words.insert(words.end(), {picture, "--json", "--top", "3"});
    const Json json = Json::parse(run_engraft(words).out);
    for (const Json& one : json["top"])
      if (one["class"] == "sky, blue") return one["probability"].get<double>();
    return -1.0;
  };
  EXPECT_NEAR(probability({one_, "--with", two_}),
              (probability({one_}) + probability({two_})) / 2, 1e-9);
}

TEST_F(CliEnsemble, ModelsOfOtherClassesExitWith4) {
  test::write_colour_model(folder_ / "other.pt");
  test::write_text(folder_ / "other.json",
                   R"({"classes": ["green", "red", "sky, blue"]})");
  const std::string other = folder_ / "other.pt";
  for (const Outcome& run :
       {run_engraft({"eval", one_, data_, "--with", other}),
        run_engraft({"predict", one_, data_, "--with", other})}) {
    EXPECT_EQ(run.code, 4);
    EXPECT_EQ(run.out, "");
    expect_parts(run.err, {"class 0 is 'red' in " + one_, "'green' in "});
  }
  EXPECT_EQ(run_engraft({"eval", one_, data_, "--with", "absent.pt"}).code, 5);
}

TEST_F(CliEnsemble, OneFileOfBothIsTestedUsedAndShownButNotTrained) {
  const std::string both = folder_ / "both.pt";
  save_classifier(combine({load_classifier(one_), load_classifier(two_)}),
                  both);
  const Json json =
      Json::parse(run_engraft({"eval", both, data_, "--json"}).out);
  EXPECT_EQ(json["top1"], 1.0);
  EXPECT_EQ(json["members"][0]["model"], both + ": " + one_);
  const Outcome apart = run_engraft({"predict", one_, "--with", two_, data_});
  EXPECT_NE(apart.out, "");
  EXPECT_EQ(run_engraft({"predict", both, data_}).out, apart.out);
  const Outcome shown = run_engraft({"inspect", both});
  EXPECT_EQ(shown.code, 0) << shown.err;
  expect_parts(shown.out, {"probabilities of 2 models", "one.pt", "proof"});
  const Outcome trained = run_engraft(
      {"train", data_, "--model", both, "--out", folder_ / "tuned.pt"});
  EXPECT_EQ(trained.code, 4) << trained.err;
  expect_parts(trained.err, {"an ensemble of 2 models",
                             "start from the file of one of its members"});
}

}  // namespace
}  // namespace engraft
