// The commands of the binary on a small model, with every exit code.

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "cli/colour_model.h"
#include "cli/process.h"
#include "engraft/model/classifier.h"

namespace engraft {
namespace {

using test::Outcome;
using test::run_engraft;
using test::TempFolder;

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

/// A model that knows red, green and blue, and pictures of these.
class CliCommands : public testing::Test {
 protected:
  CliCommands() : model_(test::write_colour_model(folder_ / "colours.pt")) {
    test::write_colour_data(data_, 6);
  }

  std::string picture(const std::string& name, cv::Scalar rgb) const {
    return test::write_picture(folder_ / name, test::flat_picture(40, 40, rgb));
  }
  /// Train arguments that end within a second.
  std::vector<std::string> training(const std::string& out) const {
    return {"train",  data_,   "--model",      model_,
            "--out",  out,     "--crops",      "5",
            "--lr",   "0.01",  "--similarity", "similar",
            "--size", "small", "--batch-size", "4"};
  }

  const TempFolder folder_;
  const std::string model_;
  const std::string data_ = folder_ / "data";
};

TEST_F(CliCommands, EvalPrintsFiguresAndJsonWithTheSame) {
  const Outcome text = run_engraft({"eval", model_, data_});
  EXPECT_EQ(text.code, 0) << text.err;
  for (const char* part : {"18 pictures (all), 3 classes", "1 crop", "10 crops",
                           "100.0 %", "82.4 to 100.0 %", "confusion"})
    EXPECT_NE(text.out.find(part), std::string::npos) << part << text.out;
  const Outcome run = run_engraft({"eval", model_, data_, "--json"});
  const Json json = Json::parse(run.out);
  for (const char* key :
       {"model", "data", "split", "classes", "crops", "average", "images",
        "top1", "top1_ci95", "top5", "mean_per_class", "macro_f1", "loss",
        "confusion", "seconds", "one_crop"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_EQ(json["crops"], 10);
  EXPECT_EQ(json["one_crop"]["crops"], 1);
  EXPECT_EQ(json["one_crop"]["images"], 18);
}

TEST_F(CliCommands, EvalLooksAtTheCropsThatTrainingFoundRight) {
  const std::string out = folder_ / "upright.pt";
  auto words = training(out);
  words[6] = "--no-flip";
  words.erase(words.begin() + 7);
  words.push_back("--json");
  const Outcome trained = run_engraft(words);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(Json::parse(trained.out)["val"]["crops"], 5);
  const std::vector<std::string> eval{"eval", out, data_, "--json"};
  EXPECT_EQ(Json::parse(run_engraft(eval).out)["crops"], 5);
  auto asked = eval;
  asked.insert(asked.end(), {"--crops", "10"});
  EXPECT_EQ(Json::parse(run_engraft(asked).out)["crops"], 10);
  // What was asked for in training is remembered too.
  const std::string centre = folder_ / "centre.pt";
  words = training(centre);
  words[7] = "1";
  words.push_back("--json");
  const Json other = Json::parse(run_engraft(words).out);
  EXPECT_EQ(other["val"]["crops"], 1);
  EXPECT_EQ(other["plan"]["test_crops"], 1);
  EXPECT_EQ(
      Json::parse(run_engraft({"eval", centre, data_, "--json"}).out)["crops"],
      1);
  // Of two the one that allows fewer, whichever is named first.
  for (const auto& [first, second] : {std::pair(out, centre), {centre, out}})
    EXPECT_EQ(Json::parse(run_engraft({"eval", first, data_, "--json", "--with",
                                       second})
                              .out)["crops"],
              1);
}

TEST_F(CliCommands, EvalTakesTheTestPartAlsoWithoutVal) {
  const std::string split = folder_ / "split";
  test::write_colour_data(split + "/train", 6);
  test::write_colour_data(split + "/test", 2);
  const Outcome seen = run_engraft({"eval", model_, split, "--json"});
  EXPECT_EQ(seen.code, 0) << seen.err;
  EXPECT_EQ(Json::parse(seen.out)["split"], "test");
  // One picture a class is enough to be tested with.
  const std::string few = folder_ / "few";
  test::write_colour_data(few, 1);
  EXPECT_EQ(run_engraft({"eval", model_, few, "--split", "all"}).code, 0);
}

TEST_F(CliCommands, EvalRefusesNamesThatAreNotThoseOfTheOutputs) {
  const std::string sidecar = folder_ / "colours.json";
  Json document = Json::parse(std::ifstream(sidecar));
  document["classes"].push_back("purple");
  test::write_text(sidecar, document.dump());
  const Outcome seen = run_engraft({"eval", model_, data_});
  EXPECT_EQ(seen.code, 4);
  EXPECT_NE(seen.err.find("has 3 outputs, but 4 names"), std::string::npos)
      << seen.err;
}

TEST_F(CliCommands, EvalTakesTenCropsWhereARecordSaysNothingUsable) {
  const std::string out = folder_ / "trained.pt";
  ASSERT_EQ(run_engraft(training(out)).code, 0);
  Classifier odd = load_classifier(out);
  for (const char* plan :
       {"[]", "null", R"("five")", "{}", R"({"test_crops": null})",
        R"({"test_crops": "5"})", R"({"test_crops": 0})",
        R"({"test_crops": 7})", R"({"test_crops": 5.5})"}) {
    odd.record["plan"] = Json::parse(plan);
    const std::string path = folder_ / "odd.pt";
    save_classifier(odd, path);
    const Outcome seen = run_engraft({"eval", path, data_, "--json"});
    ASSERT_EQ(seen.code, 0) << plan << seen.err;
    EXPECT_EQ(Json::parse(seen.out)["crops"], 10) << plan;
  }
}

TEST_F(CliCommands, PredictTakesTheCentreWhereAConfigLeavesCropsOpen) {
  test::write_text(folder_ / "c.json", R"({"crops": null})");
  const std::string path = data_ + "/red/0.png";
  const std::vector<std::string> plain{"predict", model_, path, "--format",
                                       "jsonl"};
  auto words = plain;
  words.insert(words.end(), {"--config", folder_ / "c.json"});
  EXPECT_EQ(run_engraft(words).out, run_engraft(plain).out);
  words = plain;
  words.insert(words.end(), {"--crops", "10"});
  EXPECT_NE(run_engraft(words).out, run_engraft(plain).out);
}

TEST_F(CliCommands, EvalBelowTheGateExitsWith1AndOtherClassesWith3) {
  std::filesystem::copy_file(data_ + "/red/0.png", data_ + "/green/red.png");
  const Outcome gate =
      run_engraft({"eval", model_, data_, "--min-accuracy", "1"});
  EXPECT_EQ(gate.code, 1);
  EXPECT_NE(gate.err.find("below --min-accuracy 1"), std::string::npos);
  EXPECT_NE(gate.out.find("94.7 %"), std::string::npos) << gate.out;
  std::filesystem::rename(data_ + "/red", data_ + "/rad");
  const Outcome other = run_engraft({"eval", model_, data_});
  EXPECT_EQ(other.code, 3);
  EXPECT_NE(other.err.find("'rad' is no class of the model; near: 'red'"),
            std::string::npos)
      << other.err;
}

TEST_F(CliCommands, ConfigGivesOptionsAndFlagsWinOverIt) {
  test::write_text(folder_ / "c.json", R"({"crops": 5, "average": "logits"})");
  const std::vector<std::string> words{
      "eval", model_, data_, "--json", "--config", folder_ / "c.json"};
  const Json from_file = Json::parse(run_engraft(words).out);
  EXPECT_EQ(from_file["crops"], 5);
  auto with_flag = words;
  with_flag.insert(with_flag.end() - 2, {"--crops", "1"});
  const Json json = Json::parse(run_engraft(with_flag).out);
  EXPECT_EQ(json["crops"], 1);
  EXPECT_EQ(json["average"], "logits");
  test::write_text(folder_ / "c.json", R"({"crop": 5})");
  const Outcome unknown = run_engraft(words);
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("unknown option 'crop'; did you mean 'crops'?"),
            std::string::npos);
}

TEST_F(CliCommands, PredictTakesAListOnStandardInputInItsOrder) {
  const auto b = picture("b.png", {10, 10, 200});
  const auto a = picture("a.png", {200, 10, 10});
  const Outcome run = run_engraft({"predict", model_}, b + "\r\n\n" + a + "\n");
  EXPECT_EQ(run.code, 0) << run.err;
  const auto found = lines(run.out);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].rfind(b + ":  sky, blue 99", 0), 0u) << found[0];
  EXPECT_EQ(found[1].rfind(a + ":  red 99", 0), 0u) << found[1];
}

TEST_F(CliCommands, PredictWritesCsvWithQuotes) {
  const auto path = picture("a \"b\", c.png", {10, 10, 200});
  std::string quoted = folder_ / "a \"\"b\"\", c.png";
  quoted.insert(0, 1, '"').append("\",");
  const Outcome one = run_engraft({"predict", model_, path, "--format", "csv"});
  EXPECT_EQ(lines(one.out)[0], "path,class,probability");
  EXPECT_EQ(lines(one.out)[1].rfind(quoted + "\"sky, blue\",0.99", 0), 0u)
      << one.out;
  const Outcome two =
      run_engraft({"predict", model_, path, "--format", "csv", "--top", "2"});
  EXPECT_EQ(lines(two.out)[0], "path,rank,class,probability");
  EXPECT_EQ(lines(two.out)[2].rfind(quoted + "2,red,0.0", 0), 0u) << two.out;
}

TEST_F(CliCommands, PredictGoesOnPastAnUnreadablePictureAndExitsWith3) {
  test::write_text(folder_ / "broken.jpg", "nothing");
  const auto good = picture("good.png", {10, 200, 10});
  const Outcome run =
      run_engraft({"predict", model_, folder_ / "broken.jpg", good, "--json"});
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("broken.jpg"), std::string::npos);
  const auto found = lines(run.out);
  ASSERT_EQ(found.size(), 2u);
  const Json broken = Json::parse(found[0]), fine = Json::parse(found[1]);
  EXPECT_EQ(broken["path"], folder_ / "broken.jpg");
  EXPECT_TRUE(broken.contains("error"));
  EXPECT_EQ(fine["class"], "green");
  EXPECT_EQ(fine["top"][0]["index"], 1);
}

TEST_F(CliCommands, InspectShowsModelsAndData) {
  const Outcome model = run_engraft({"inspect", model_});
  EXPECT_EQ(model.code, 0) << model.err;
  for (const char* part :
       {"scripted", "32x32", "weight: linear", "1 batch norm", "proof",
        "sidecar", "red, green, 'sky, blue'"})
    EXPECT_NE(model.out.find(part), std::string::npos) << part << model.out;
  const Json json = Json::parse(run_engraft({"inspect", model_, "--json"}).out);
  EXPECT_EQ(json["head"]["classes"], 3);
  test::write_text(data_ + "/red/notes.txt", "x");
  test::write_text(data_ + "/red/broken.png", "x");
  const Outcome data = run_engraft({"inspect", data_});
  EXPECT_EQ(data.code, 0) << data.err;
  for (const char* part : {"3 classes", "notes.txt", "broken.png", "print"})
    EXPECT_NE(data.out.find(part), std::string::npos) << part << data.out;
}

TEST_F(CliCommands, WhatIsNoModelExitsWith4AndWhatIsNotThereWith5) {
  test::write_text(folder_ / "text.pt", "no model");
  EXPECT_EQ(run_engraft({"inspect", folder_ / "text.pt"}).code, 4);
  EXPECT_EQ(run_engraft({"inspect", folder_ / "absent.pt"}).code, 5);
  const Outcome out = run_engraft(training(folder_ / "no/such/folder/out.pt"));
  EXPECT_EQ(out.code, 5);
  EXPECT_NE(out.err.find("no/such/folder"), std::string::npos) << out.err;
}

TEST_F(CliCommands, WhatNeitherUserNorFilesExplainExitsWith70) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the address sanitizer needs the address space itself";
#endif
  // No picture or flag is wrong: the machine refuses 2 GB of ten crops.
  const auto path = picture("a.png", {200, 10, 10});
  const Outcome run =
      test::Process({"predict", model_, path, "--crops", "10", "--input-size",
                     "4096", "--resize", "4096"},
                    "", 2'500'000)
          .wait();
  EXPECT_EQ(run.code, 70) << run.err;
  EXPECT_NE(run.err.find("engraft: internal: out of memory"), std::string::npos)
      << run.err;
}

TEST_F(CliCommands, TrainSaysWhatItDoesAndItsFilePredicts) {
  const std::string out = folder_ / "tuned.pt";
  auto words = training(out);
  words.insert(words.end(), {"--epochs", "3"});
  const Outcome run = run_engraft(words);
  ASSERT_EQ(run.code, 0) << run.err;
  for (const char* part : {"data", "plan", "here", "epoch", "train loss"})
    EXPECT_NE(run.err.find(part), std::string::npos) << part << run.err;
  for (const char* part :
       {"best", "5 crops", "unchanged, checksum", "saved", "engraft predict"})
    EXPECT_NE(run.out.find(part), std::string::npos) << part << run.out;
  EXPECT_EQ(run.err.find('\r'), std::string::npos);
  const Outcome predicted = run_engraft({"predict", out, data_ + "/red"});
  EXPECT_EQ(predicted.code, 0) << predicted.err;
  EXPECT_EQ(lines(predicted.out).size(), 6u);
}

TEST_F(CliCommands, TrainSaysWhyAStarredEpochIsNotTheBest) {
  // Colours that say nothing of the class: accuracies go up and down by chance.
  const std::string data = folder_ / "chance";
  cv::RNG random(7);
  for (const char* c : {"a", "b"})
    for (int i = 0; i < 24; ++i)
      test::write_picture(data + "/" + c + "/" + std::to_string(i) + ".png",
                          test::flat_picture(40 + i, 40,
                                             {random.uniform(0., 255.),
                                              random.uniform(0., 255.),
                                              random.uniform(0., 255.)}));
  bool differed = false;
  for (const char* seed : {"0", "1", "2", "3", "4", "5"}) {
    auto words = training(folder_ / "chance.pt");
    words[1] = data;
    words[9] = "0.3";
    words.insert(words.end(), {"--optimizer", "adam", "--epochs", "6",
                               "--val-fraction", "0.5", "--seed", seed});
    const Outcome run = run_engraft(words);
    ASSERT_EQ(run.code, 0) << run.err;
    std::string starred;
    for (const std::string& line : lines(run.err))
      if (line.starts_with("*")) std::istringstream(line.substr(1)) >> starred;
    const auto said = [&](const std::string& part) {
      return run.out.find(part) != std::string::npos;
    };
    const bool same = said("epoch " + starred + " of 6");
    EXPECT_EQ(said("Epoch " + starred + " with its"), !same)
        << run.err << run.out;
    differed |= !same;
  }
  if (!differed)
    GTEST_SKIP() << "the best epoch of each seed is the most accurate one here";
}

TEST_F(CliCommands, TrainAndPlanGiveOneJsonDocument) {
  auto words = training(folder_ / "tuned.pt");
  words.insert(words.end(), {"--epochs", "1", "--json"});
  const Outcome run = run_engraft(words);
  ASSERT_EQ(run.code, 0) << run.err;
  const Json json = Json::parse(run.out);
  for (const char* key :
       {"model", "plan", "epochs", "best_epoch", "val", "seconds"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_EQ(json["epochs"].size(), 1u);
  EXPECT_TRUE(json["val"].contains("one_crop"));
  const Outcome plan =
      run_engraft({"plan", data_, "--model", model_, "--json"});
  ASSERT_EQ(plan.code, 0) << plan.err;
  EXPECT_TRUE(Json::parse(plan.out).contains("plan"));
  const Outcome verbose =
      run_engraft({"plan", data_, "--model", model_, "--verbose"});
  EXPECT_NE(verbose.out.find("\ntook      load "), std::string::npos)
      << verbose.out;
}

TEST_F(CliCommands, TrainingOutlivesWhoReadsAlong) {
  std::string command = "(sleep 0.3; exec " ENGRAFT_BINARY;
  for (const auto& word : training(folder_ / "out.pt")) command += " " + word;
  command += " --cache none 2>&1) | true; sleep 0.1";
  ASSERT_EQ(std::system(command.c_str()), 0);
  for (int i = 0; i < 600 && !std::filesystem::exists(folder_ / "out.pt"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out.pt"));
}

TEST_F(CliCommands, TrainWritesThroughALinkToWhatIsNotThereYet) {
  std::filesystem::create_symlink("new.pt", folder_ / "link.pt");
  const Outcome seen = run_engraft(training(folder_ / "link.pt"));
  EXPECT_EQ(seen.code, 0) << seen.err;
  EXPECT_TRUE(std::filesystem::is_regular_file(folder_ / "new.pt"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "link.pt"));
}

TEST_F(CliCommands, InterruptedTrainingKeepsTheBestModelAndExitsWith130) {
  const std::string out = folder_ / "tuned.pt";
  auto words = training(out);
  words.insert(words.end(), {"--epochs", "100000", "--optimizer", "adam"});
  test::Process process(words);
  // The table's head comes with the first finished epoch.
  ASSERT_TRUE(process.says("train loss", 60));
  process.send(SIGINT);
  const Outcome run = process.wait();
  EXPECT_EQ(run.code, 130) << run.err;
  EXPECT_NE(run.err.find("stopping after the step in hand"), std::string::npos);
  EXPECT_NE(run.out.find("stopped by you"), std::string::npos) << run.out;
  EXPECT_EQ(run_engraft({"inspect", out}).code, 0);
}

}  // namespace
}  // namespace engraft
