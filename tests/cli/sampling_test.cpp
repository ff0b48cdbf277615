// --mc-samples of the binary.

#include <gtest/gtest.h>

#include <sstream>

#include "cli/colour_model.h"
#include "cli/process.h"
#include "engraft/model/ensemble.h"

namespace engraft {
namespace {

using test::Outcome;
using test::run_engraft;
using test::TempFolder;

std::vector<std::string> joined(std::vector<std::string> words,
                                const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

class CliSampling : public testing::Test {
 protected:
  CliSampling() : model_(test::write_colour_model(folder_ / "colours.pt")) {
    test::write_colour_data(data_, 4);
    // One picture in the wrong place.
    std::filesystem::copy_file(data_ + "/red/0.png", data_ + "/green/9.png");
  }

  Outcome predict(const std::vector<std::string>& more) const {
    return run_engraft(joined({"predict", model_, data_}, more));
  }
  Outcome eval(const std::vector<std::string>& more) const {
    return run_engraft(joined({"eval", model_, data_}, more));
  }

  const TempFolder folder_;
  const std::string model_, data_ = folder_ / "data";
};

const std::vector<std::string> kMasks{"--mc-samples", "6", "--head-dropout",
                                      "0.5"};

TEST_F(CliSampling, PredictShowsTheSpread) {
  const Outcome text = predict(kMasks);
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find(" % ± "), std::string::npos) << text.out;
  const Outcome csv =
      predict(joined(kMasks, {"--format", "csv", "--top", "2"}));
  std::istringstream lines(csv.out);
  std::string head, row;
  std::getline(lines, head);
  EXPECT_EQ(head,
            "path,rank,class,probability,spread,entropy,mutual_information");
  std::getline(lines, row);
  // One comma more is in the name of "sky, blue".
  EXPECT_EQ(std::ranges::count(row, ','), 7) << row;
  const Outcome lines_of_json = predict(joined(kMasks, {"--json"}));
  const Json json =
      Json::parse(lines_of_json.out.substr(0, lines_of_json.out.find('\n')));
  for (const char* key :
       {"probability", "spread", "entropy", "mutual_information"})
    EXPECT_TRUE(json.at(key).is_number()) << key;
  EXPECT_EQ(json["top"][0]["spread"], json["spread"]);
}

TEST_F(CliSampling, EvalStandsBesideThePlainModel) {
  const Outcome text = eval(kMasks);
  ASSERT_EQ(text.code, 0) << text.err;
  for (const char* part :
       {"\n          10 crops  ", "10 crops, 6 masks", "\nmasks     6 masks of",
        "head dropout 0.5, from block", "wrong above right", "spread",
        "mutual information"})
    EXPECT_NE(text.out.find(part), std::string::npos) << part << text.out;
  const Json plain = Json::parse(eval({"--json"}).out);
  const Json json = Json::parse(eval(joined(kMasks, {"--json"})).out);
  EXPECT_EQ(json["loss"], plain["loss"]);
  EXPECT_FALSE(plain.contains("sampled"));
  const Json& sampled = json.at("sampled");
  EXPECT_EQ(sampled["mc-samples"], 6);
  EXPECT_EQ(sampled["head-dropout"], 0.5);
  EXPECT_TRUE(sampled["dropout"].is_null());
  EXPECT_EQ(sampled["images"], 13);
  EXPECT_NE(sampled["loss"], json["loss"]);
  EXPECT_GT(sampled["seconds"].get<double>(), 0);
  ASSERT_EQ(sampled["uncertainty"].size(), 4u);
  for (const char* key : {"measure", "right", "wrong", "auroc"})
    EXPECT_TRUE(sampled["uncertainty"][1].contains(key)) << key;
}

TEST_F(CliSampling, TheSeedAloneDecides) {
  const auto predicted = [&](const char* seed, const char* threads) {
    return predict(joined(kMasks, {"--seed", seed, "--threads", threads,
                                   "--batch-size", "4", "--json"}))
        .out;
  };
  const std::string one = predicted("1", "1");
  EXPECT_EQ(predicted("1", "3"), one);
  EXPECT_NE(predicted("2", "1"), one);
  const auto tested = [&](const char* seed, const char* threads) {
    Json json = Json::parse(
        eval(joined(kMasks, {"--seed", seed, "--threads", threads, "--json"}))
            .out)["sampled"];
    json.erase("seconds");
    return json;
  };
  const Json first = tested("1", "1");
  EXPECT_EQ(tested("1", "3"), first);
  EXPECT_NE(tested("2", "1"), first);
}

TEST_F(CliSampling, AFileIsSampledAsItWasTrained) {
  const std::string out = folder_ / "tuned.pt";
  const Outcome trained =
      run_engraft({"train",          data_,     "--model",        model_,
                   "--out",          out,       "--crops",        "1",
                   "--similarity",   "similar", "--size",         "small",
                   "--freeze-until", "all",     "--epochs",       "2",
                   "--head-dropout", "0.25",    "--drop-connect", "0.125"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const auto sampled = [&](const std::vector<std::string>& more) {
    return Json::parse(
        run_engraft(
            joined({"eval", out, data_, "--json", "--mc-samples", "3"}, more))
            .out)["sampled"];
  };
  const Json as_trained = sampled({});
  EXPECT_EQ(as_trained["head-dropout"], 0.25);
  EXPECT_EQ(as_trained["drop-connect"], 0.125);
  EXPECT_EQ(as_trained["fractional-pooling"], false);
  EXPECT_EQ(sampled({"--drop-connect", "0"})["drop-connect"], 0);
  test::write_text(folder_ / "c.json",
                   R"({"drop-connect": 0.5, "fractional-pooling": false})");
  EXPECT_EQ(sampled({"--config", folder_ / "c.json"})["drop-connect"], 0.5);
  EXPECT_EQ(sampled({"--no-fractional-pooling"})["fractional-pooling"], false);
}

TEST_F(CliSampling, WhatMakesNoSenseIsRefusedByName) {
  const auto expect_refused = [&](const std::vector<std::string>& more,
                                  const std::string& part) {
    for (const Outcome& run : {predict(more), eval(more)}) {
      EXPECT_EQ(run.code, 2) << run.err;
      EXPECT_EQ(run.out, "");
      EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
    }
  };
  expect_refused({"--mc-samples", "5"}, "nothing in the model is random");
  expect_refused({"--mc-samples", "5", "--dropout", "0.5"},
                 "--dropout: the model has no dropout");
  expect_refused({"--mc-samples", "5", "--fractional-pooling"},
                 "--fractional-pooling: the model has no max pooling");
  expect_refused({"--mc-samples", "1"}, "two samples");
  expect_refused({"--mc-samples", "5", "--with", model_},
                 "--mc-samples and --with exclude each other");
  expect_refused({"--head-dropout", "0.5"},
                 "--head-dropout counts with --mc-samples");
  expect_refused({"--no-fractional-pooling"},
                 "--fractional-pooling counts with --mc-samples");
  expect_refused({"--mc-samples", "5", "--drop-connect-on", "all"},
                 "--drop-connect-on all: give --drop-connect the probability");
}

TEST_F(CliSampling, AFileOfSeveralModelsIsRefused) {
  const Classifier one =
      load_classifier(test::write_half_right_model(folder_ / "one.pt", false));
  save_classifier(combine({one, one}), folder_ / "both.pt");
  const Outcome run =
      run_engraft(joined({"eval", folder_ / "both.pt", data_}, kMasks));
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("is an ensemble of 2 models"), std::string::npos)
      << run.err;
}

TEST(CliHelpOfSampling, HasItsOwnHeading) {
  for (const char* command : {"eval", "predict"}) {
    const std::string help = run_engraft({command, "--help"}).out;
    const auto at = help.find("\nSampling:\n");
    ASSERT_NE(at, std::string::npos) << help;
    for (const char* flag : {"--mc-samples N", "--head-dropout X",
                             "--drop-connect-on TEXT", "--fractional-pooling"})
      EXPECT_NE(help.find(flag, at), std::string::npos) << flag << help;
  }
  const std::string train = run_engraft({"train", "--help"}).out;
  EXPECT_EQ(train.find("\nSampling:\n"), std::string::npos);
}

}  // namespace
}  // namespace engraft
