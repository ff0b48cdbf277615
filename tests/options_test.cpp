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
  options.base.augment.policy = AugmentPolicy::rand;
  options.base.augment.policy_magnitude = 7;
  options.view.scales.values = {1, 1.15};
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
  EXPECT_NE(message_of_config(R"({"optimizer": "sdg"})").find("sgd, nesterov"),
            std::string::npos);
  EXPECT_NE(message_of_config("[1]").find("not a JSON object"),
            std::string::npos);
}

TEST(Options, AListOfTextsIsReadFromConfigAndWritten) {
  const TempFolder folder;
  test::write_text(folder / "c.json", R"({"with": ["b.pt", "c, d.pt"]})");
  EvalOptions options;
  options.with = {"a.pt"};
  read_json(folder / "c.json", options);
  EXPECT_EQ(options.with, (std::vector<std::string>{"b.pt", "c, d.pt"}));
  EXPECT_EQ(to_json(options)["with"].dump(), R"(["b.pt","c, d.pt"])");
  for (const char* wrong : {R"({"with": "b.pt"})", R"({"with": [1]})"}) {
    test::write_text(folder / "c.json", wrong);
    EXPECT_NE(
        message_of(Fault::usage, [&] { read_json(folder / "c.json", options); })
            .find("is not of this option's kind"),
        std::string::npos);
  }
  options.model = "a.pt";
  options.with = {""};
  EXPECT_NE(message_of(Fault::usage, [&] { options.validate(); })
                .find("--with is missing"),
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

TEST(Options, APolicyExcludesWhatItDoesItself) {
  using Set = void (*)(AugmentOptions&);
  const std::pair<const char*, Set> rows[] = {
      {"--brightness", [](AugmentOptions& o) { o.brightness = 0.1; }},
      {"--contrast", [](AugmentOptions& o) { o.contrast = 0.1; }},
      {"--saturation", [](AugmentOptions& o) { o.saturation = 0.1; }},
      {"--rotation", [](AugmentOptions& o) { o.rotation = 1; }},
      {"--policy-operations",
       [](AugmentOptions& o) { o.policy_operations = 2; }},
      {"--policy-magnitude", [](AugmentOptions& o) { o.policy_magnitude = 9; }},
  };
  for (const auto& [flag, set] : rows) {
    TrainOptions options = complete();
    options.base.augment.policy = AugmentPolicy::trivial;
    EXPECT_NO_THROW(options.validate());
    set(options.base.augment);
    EXPECT_EQ(message_of(Fault::usage, [&] { options.validate(); })
                  .rfind(std::string(flag) + " and --policy trivial", 0),
              0u);
  }
  AugmentOptions fine;
  fine.policy = AugmentPolicy::rand;
  fine.policy_operations = 14;
  fine.hue = 0.1;
  fine.brightness = 0;
  EXPECT_NO_THROW(fine.validate());
  AugmentOptions none;
  none.policy_operations = 2;
  EXPECT_NE(
      message_of(Fault::usage, [&] { none.validate(); }).find("--policy rand"),
      std::string::npos);
}

TEST(Options, ScalesAreSeveralDifferentFactors) {
  TrainOptions options = complete();
  EXPECT_FALSE(options.view.centre_only());
  EXPECT_EQ(options.view.views(), 10);
  options.view.scales.values = {1, 1.15};
  EXPECT_NO_THROW(options.validate());
  EXPECT_EQ(options.view.views(), 20);
  const auto message = [&](std::vector<double> scales) {
    options.view.scales.values = std::move(scales);
    return message_of(Fault::usage, [&] { options.validate(); });
  };
  EXPECT_EQ(message({}), "--scales: no factor is given");
  EXPECT_EQ(message({1, 2, 1}), "--scales: 1 is given twice");
  EXPECT_EQ(message({1, 0.4}), "--scales: 0.4 is outside of [0.5, 3]");
  EXPECT_NE(message_of_config(R"({"scales": 1.15})").find("not of this option"),
            std::string::npos);
  options.view = {1, CropAverage::softmax, {{1.15}}};
  EXPECT_FALSE(options.view.centre_only());
  options.view = {1, CropAverage::softmax, {{1}}};
  EXPECT_TRUE(options.view.centre_only());
}

TEST(Options, NaNIsInNoRange) {
  TrainOptions options = complete();
  options.base.plan.lr = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(message_of(Fault::usage, [&] { options.validate(); }).find("--lr"),
            std::string::npos);
}

}  // namespace
}  // namespace engraft
