#include "engraft/model/input_spec.h"

#include <gtest/gtest.h>

#include "support/tiny_images.h"

namespace engraft {
namespace {

using test::message_of;

TEST(InputSpec, ComesBackFromItsOwnJson) {
  InputSpec spec;
  spec.resize = 300;
  spec.crop = 260;
  spec.interpolation = Interpolation::bicubic;
  spec.mean = {0.1, 0.2, 0.3};
  spec.std = {0.4, 0.5, 0.6};
  spec.channels = "BGR";
  const InputSpec read = input_spec_from_json(to_json(spec), "here");
  EXPECT_EQ(to_json(read), to_json(spec));
  EXPECT_EQ(read.source, "here");
}

TEST(InputSpec, KeepsTheBaseWhereKeysAreMissing) {
  InputSpec base;
  base.mean = {0.1, 0.2, 0.3};
  const auto json = Json::parse(R"({"crop": 160, "resize": 182})");
  const InputSpec spec = input_spec_from_json(json, "here", base);
  EXPECT_EQ(spec.crop, 160);
  EXPECT_EQ(spec.mean, base.mean);
}

TEST(InputSpec, RewritesMeanAndStdOfAnotherRangeForZeroToOne) {
  // Caffe: 0 to 255, (255 v - 127.5) / 51 = (v - 0.5) / 0.2
  const auto caffe = Json::parse(
      R"({"mean": [127.5, 127.5, 127.5], "std": [51], "range": [0, 255]})");
  const InputSpec spec = input_spec_from_json(caffe, "here");
  EXPECT_NEAR(spec.mean[2], 0.5, 1e-12);
  EXPECT_NEAR(spec.std[0], 0.2, 1e-12);
  // -1 to 1 as it is: (2 v - 1 - 0) / 1 = (v - 0.5) / 0.5
  const InputSpec tanh = input_spec_from_json(
      Json::parse(R"({"mean": [0], "std": [1], "range": [-1, 1]})"), "here");
  EXPECT_NEAR(tanh.mean[1], 0.5, 1e-12);
  EXPECT_NEAR(tanh.std[1], 0.5, 1e-12);
}

TEST(InputSpec, NamesTheKeyThatMakesNoSense) {
  for (const auto& [key, text] : {
           std::pair{"crop", R"({"crop": "big"})"},
           std::pair{"crop", R"({"crop": 0})"},
           std::pair{"resize", R"({"crop": 224, "resize": 200})"},
           std::pair{"mean", R"({"mean": [0.5, 0.5]})"},
           std::pair{"std", R"({"std": [0.2, 0, 0.2]})"},
           std::pair{"interpolation", R"({"interpolation": "lanczos"})"},
           std::pair{"channels", R"({"channels": "GBR"})"},
           std::pair{"range", R"({"range": [1, 0]})"},
       }) {
    const std::string message = message_of(Fault::model, [&] {
      input_spec_from_json(Json::parse(text), "side.json");
    });
    EXPECT_TRUE(message.starts_with("side.json: ")) << message;
    EXPECT_NE(message.find(key), std::string::npos) << message;
  }
  message_of(Fault::model,
             [] { input_spec_from_json(Json::array(), "side.json"); });
}

TEST(InputSpec, FlagsWinAndAreNoted) {
  InputOptions options;
  options.mean = {0.5, 0.5, 0.5};
  options.interpolation = Interpolation::bicubic;
  const InputSpec spec = apply(options, InputSpec());
  EXPECT_EQ(spec.mean[1], 0.5);
  EXPECT_EQ(spec.std[1], 0.224);
  EXPECT_EQ(spec.interpolation, Interpolation::bicubic);
  EXPECT_EQ(spec.source,
            "torchvision ImageNet convention + --interpolation, --mean");
  EXPECT_EQ(apply(InputOptions(), InputSpec()).source, InputSpec().source);
}

TEST(InputSpec, InputSizeAloneScalesTheResizeAlong) {
  InputOptions options;
  options.input_size = 112;
  EXPECT_EQ(apply(options, InputSpec()).resize, 128);  // 256 / 224 * 112
  options.resize = 120;
  EXPECT_EQ(apply(options, InputSpec()).resize, 120);
  options.resize = 100;
  message_of(Fault::usage, [&] { apply(options, InputSpec()); });
}

}  // namespace
}  // namespace engraft
