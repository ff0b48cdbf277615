#include "engraft/train/options.h"

#include <gtest/gtest.h>

#include "support/tiny_images.h"

namespace engraft {
namespace {

using test::message_of;
using test::TempFolder;

TrainOptions complete() {
  TrainOptions options;
  options.base.data = "pets";
  options.out = "pets.pt";
  return options;
}

std::string message_of_config(const std::string& text) {
  const TempFolder folder;
  const std::string path = folder / "config.json";
  test::write_text(path, text);
  return message_of(Fault::usage, [&] {
    TrainOptions options;
    read_json(path, options);
  });
}

TEST(Options, WhatIsWrittenAsJsonReadsBackAsTheSame) {
  TrainOptions options = complete();
  options.base.plan.lr = 0.125;
  options.base.plan.size = SizeClass::large;
  options.base.input.mean = {0.5, 0.25, 0.125};
  options.base.augment.flip = false;
  options.optim.optimizer = OptimizerKind::sgd;
  const TempFolder folder;
  test::write_text(folder / "options.json", to_json(options).dump());
  TrainOptions back;
  read_json(folder / "options.json", back);
  EXPECT_EQ(to_json(back), to_json(options));
}

TEST(Options, EveryFieldHasItsOwnName) {
  std::set<std::string> seen;
  TrainOptions options;
  TrainOptions::fields(
      options, [&](const char* name, auto&, const char* help, const auto&) {
        EXPECT_TRUE(seen.insert(name).second) << name;
        EXPECT_NE(std::string(help), "") << name;
      });
}

TEST(Options, ConfigRefusesWhatItDoesNotKnow) {
  EXPECT_NE(message_of_config(R"({"epoch": 3})").find("mean 'epochs'"),
            std::string::npos);
  EXPECT_NE(message_of_config(R"({"epochs": "many"})").find("whole number"),
            std::string::npos);
  EXPECT_NE(message_of_config(R"({"epochs": 2.5})").find("whole number"),
            std::string::npos);
  EXPECT_NE(message_of_config(R"({"lr": -1})").find("outside of [0, 10]"),
            std::string::npos);
  EXPECT_NE(message_of_config(R"({"optimizer": "sdg"})").find("sgd, adam"),
            std::string::npos);
  EXPECT_NE(message_of_config("[1]").find("not a JSON object"),
            std::string::npos);
}

TEST(Options, WhatIsMissingIsNamed) {
  TrainOptions options = complete();
  EXPECT_NO_THROW(options.validate());
  options.out = "";
  EXPECT_EQ(message_of(Fault::usage, [&] { options.validate(); }).find("--out"),
            0u);
  options.base.data = "";
  EXPECT_EQ(message_of(Fault::usage, [&] { options.validate(); }).find("DATA"),
            0u);
  EXPECT_EQ(
      message_of(Fault::usage, [] { EvalOptions().validate(); }).find("MODEL"),
      0u);
  EXPECT_EQ(message_of(Fault::usage, [] { InspectOptions().validate(); })
                .find("MODEL or DATA"),
            0u);
}

TEST(Options, RulesThatJoinFieldsNameBoth) {
  TrainOptions options = complete();
  options.base.plan.epochs = 2;
  options.base.plan.head_epochs = 3;
  const auto epochs = message_of(Fault::usage, [&] { options.validate(); });
  EXPECT_NE(epochs.find("--head-epochs 3"), std::string::npos);
  EXPECT_NE(epochs.find("--epochs 2"), std::string::npos);

  PredictOptions predict;
  predict.model = "m.pt";
  predict.view.crops = 3;
  EXPECT_NE(
      message_of(Fault::usage, [&] { predict.validate(); }).find("1, 5, 10"),
      std::string::npos);

  EvalOptions eval;
  eval.model = "m.pt";
  eval.data = "pets";
  eval.split = "vla";
  EXPECT_NE(message_of(Fault::usage, [&] { eval.validate(); }).find("--split"),
            std::string::npos);
}

TEST(Options, NaNIsInNoRange) {
  TrainOptions options = complete();
  options.base.plan.lr = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(message_of(Fault::usage, [&] { options.validate(); }).find("--lr"),
            std::string::npos);
}

}  // namespace
}  // namespace engraft
