// `engraft search`, the binary, on a small model.

#include <gtest/gtest.h>

#include <csignal>

#include "cli/colour_model.h"
#include "cli/process.h"

namespace engraft {
namespace {

using test::Outcome;
using test::run_engraft;

class CliSearch : public testing::Test {
 protected:
  CliSearch() { test::write_colour_data(folder_ / "data", 10); }

  std::vector<std::string> words(const std::vector<std::string>& more) const {
    std::vector<std::string> out{
        "search",       folder_ / "data",    "--model", model_,
        "--out",        folder_ / "best.pt", "--crops", "1",
        "--similarity", "similar",           "--cache", folder_ / "cache"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }

  const test::TempFolder folder_;
  const std::string model_ = test::write_colour_model(folder_ / "colours.pt");
};

TEST_F(CliSearch, TriesSavesTestsAndGoesOn) {
  const auto search = words({"--trials", "2", "--try", "head-l2=0.01..1:log",
                             "--try", "augment=light,strong"});
  const Outcome run = run_engraft(search);
  ASSERT_EQ(run.code, 0) << run.err;
  for (const char* part : {"Trials learn from", "winner's test alone",
                           "2 candidates", "0.01..1.0:log", "trial  epochs"})
    EXPECT_NE(run.err.find(part), std::string::npos) << part << run.err;
  for (const char* part : {"winner", "95 % interval", "(test)",
                           "command   engraft train", "--head-l2", "saved"})
    EXPECT_NE(run.out.find(part), std::string::npos) << part << run.out;
  EXPECT_EQ(run_engraft({"inspect", folder_ / "best.pt"}).code, 0);

  auto again = search;
  again.push_back("--json");
  const Outcome second = run_engraft(again);
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_NE(second.err.find("2 trainings found in"), std::string::npos)
      << second.err;
  const Json json = Json::parse(second.out);
  EXPECT_EQ(json["method"], "halving");
  EXPECT_EQ(json["trials"].size(), 2u);
  EXPECT_EQ(json["space"]["augment"], Json({"light", "strong"}));
  EXPECT_TRUE(json["winner"]["test"].contains("top1_ci95"));
  EXPECT_EQ(json["winner"]["val"]["accuracy"],
            json["trials"][0]["val_accuracy"]);

  // The command is one that train takes.
  std::vector<std::string> train;
  std::istringstream in(json["winner"]["command"].get<std::string>());
  for (std::string word; in >> word;) train.push_back(word);
  train.erase(train.begin());
  EXPECT_EQ(run_engraft(train).code, 0);
}

TEST_F(CliSearch, CtrlCKeepsWhatIsDoneAndExitsWith130) {
  test::Process process(
      words({"--method", "random", "--freeze-until", "none", "--epochs", "3",
             "--trials", "500", "--try", "lr=1e-4..1e-2:log"}));
  // The table's head comes with the first finished trial.
  ASSERT_TRUE(process.says("val loss", 60));
  process.send(SIGINT);
  const Outcome run = process.wait();
  EXPECT_EQ(run.code, 130) << run.err;
  EXPECT_NE(run.out.find(" finished training"), std::string::npos) << run.out;
}

TEST_F(CliSearch, MisuseIsNamedBeforeAnyWork) {
  const auto refused = [&](const std::vector<std::string>& more,
                           const std::string& part) {
    const Outcome run = run_engraft(words(more));
    EXPECT_EQ(run.code, 2) << run.err;
    EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
  };
  refused({"--try", "epoch=1,2"}, "did you mean 'epochs'?");
  refused({"--lr", "0.1", "--try", "lr=0.1,0.2"}, "fixes it already");
  refused({"--time", "soon"}, "no duration");
  refused({"--method", "greed"}, "random, grid, halving");
}

}  // namespace
}  // namespace engraft
