#include "engraft/eval/predict.h"

#include <gtest/gtest.h>

#include "cli/colour_model.h"
#include "support/expect_fault.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

using test::TempFolder;

std::vector<Prediction> all(const PredictOptions& options, int64_t unreadable) {
  std::vector<Prediction> out;
  EXPECT_EQ(
      predict(options, [&](const Prediction& one) { out.push_back(one); }),
      unreadable);
  return out;
}

TEST(Predict, KeepsTheOrderOfTheInputAroundUnreadablePictures) {
  const TempFolder folder;
  PredictOptions options;
  options.model = test::write_colour_model(folder / "m.pt");
  options.batch_size = 2;
  for (const char* name : {"c", "a", "b"})
    options.paths.push_back(
        test::write_picture(folder / std::string(name) + ".png",
                            test::flat_picture(40, 40, {220, 10, 10})));
  test::write_text(folder / "broken.png", "no picture");
  options.paths.insert(options.paths.begin() + 1, folder / "broken.png");
  options.paths.push_back(folder / "absent.png");
  const auto found = all(options, 2);
  ASSERT_EQ(found.size(), 5u);
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_EQ(found[i].path, options.paths[i]);
  EXPECT_NE(found[1].error.find("broken.png"), std::string::npos);
  EXPECT_TRUE(found[1].top.empty());
  EXPECT_EQ(found[2].top[0].name, "red");
  EXPECT_EQ(to_json(found[2])["class"], "red");
  EXPECT_EQ(to_json(found[4]).size(), 2u);  // path and error
}

TEST(Predict, NamesWhatItLeavesOutOfFolders) {
  const TempFolder folder;
  PredictOptions options;
  options.model = test::write_colour_model(folder / "m.pt");
  test::write_picture(folder / "photos/p.png",
                      test::flat_picture(40, 40, {0, 51, 0}));
  for (int i = 10; i < 22; ++i)
    test::write_text(folder / ("photos/" + std::to_string(i) + ".heic"), "");
  options.paths = {folder / "photos"};
  std::vector<std::string> notes;
  const auto keep = [&](const std::string& text) { notes.push_back(text); };
  predict(
      options, [](const Prediction&) {}, keep);
  ASSERT_GE(notes.size(), 11u);  // what follows is of the model
  EXPECT_EQ(notes[0], folder / "photos/10.heic" +
                          ": left out (not a picture that is read: .heic)");
  EXPECT_EQ(notes[10], "and 2 more files left out");
  std::filesystem::remove(folder / "photos/p.png");
  notes.clear();
  EXPECT_FAULT(predict(
                   options, [](const Prediction&) {}, keep),
               Fault::data, "no picture in it");
  EXPECT_EQ(notes.size(), 11u) << "they say why there is none";
}

TEST(Predict, FindsTheSizeOfAModelWhoseOwnFails) {
  const TempFolder folder;
  torch::jit::Module m("fixed");
  m.register_parameter("fc_w", torch::randn({4, 3 * 64 * 64}), false);
  m.define(
      "def forward(self, x: Tensor):\n"
      "  return torch.linear(torch.flatten(x, 1), self.fc_w)\n");
  PredictOptions options;
  options.model = folder / "fixed.pt";
  m.save(options.model);
  options.paths = {test::write_picture(folder / "p.png",
                                       test::flat_picture(70, 80, {0, 51, 0}))};
  options.top = 4;
  std::vector<std::string> notes;
  EXPECT_EQ(
      predict(
          options, [](const Prediction& one) { EXPECT_EQ(one.top.size(), 4u); },
          [&](const std::string& text) { notes.push_back(text); }),
      0);
  ASSERT_EQ(notes.size(), 2u) << "each once";
  EXPECT_NE(notes[0].find("found to run on 64x64"), std::string::npos);
  options.input.input_size = 96;
  EXPECT_FAULT(predict(options, [](const Prediction&) {}), Fault::usage,
               "does not run on it, but on 64");
}

TEST(Predict, GivesTheLikeliestClassesWithTheirProbabilities) {
  const TempFolder folder;
  PredictOptions options;
  options.model = test::write_colour_model(folder / "m.pt");
  options.paths = {test::write_picture(folder / "p.png",
                                       test::flat_picture(40, 40, {0, 51, 0}))};
  options.top = 9;  // more than there are
  for (const int64_t crops : {1, 10}) {
    options.view.crops = crops;
    const auto top = all(options, 0).at(0).top;
    ASSERT_EQ(top.size(), 3u);
    // Logits 0, 10 * 51 / 255 = 2, 0.
    const double e2 = std::exp(2.0);
    EXPECT_EQ(top[0].name, "green");
    EXPECT_NEAR(top[0].probability, e2 / (e2 + 2), 1e-4);  // BatchNorm's eps
    EXPECT_EQ(top[1].index, 0);  // of equal ones the lower index
    EXPECT_EQ(top[2].index, 2);
  }
}

TEST(Predict, OfSeveralModelsGivesTheMeanInTheOrderOfTheInput) {
  const TempFolder folder;
  PredictOptions options;
  options.batch_size = 2;
  options.top = 3;
  for (int i = 0; i < 5; ++i)
    options.paths.push_back(test::write_picture(
        folder / std::to_string(i) + ".png", test::blob_picture(40, 50, i)));
  test::write_text(folder / "broken.png", "no picture");
  options.paths.insert(options.paths.begin() + 2, folder / "broken.png");
  const auto one = test::write_half_right_model(folder / "one.pt", false);
  const auto two = test::write_half_right_model(folder / "two.pt", true, 24);
  options.model = one;
  const auto first = all(options, 1);
  options.model = two;
  const auto second = all(options, 1);
  options.model = one;
  options.with = {two};
  const auto both = all(options, 1);
  const auto probability = [](const Prediction& prediction, int64_t index) {
    for (const auto& score : prediction.top)
      if (score.index == index) return score.probability;
    return -1.0;
  };
  ASSERT_EQ(both.size(), 6u);
  for (size_t i = 0; i < both.size(); ++i) {
    EXPECT_EQ(both[i].path, options.paths[i]);
    EXPECT_EQ(both[i].top.size(), i == 2 ? 0u : 3u);
    for (const auto& score : both[i].top)
      EXPECT_NEAR(score.probability,
                  (probability(first[i], score.index) +
                   probability(second[i], score.index)) /
                      2,
                  1e-9);
  }
}

TEST(Predict, RefusesModelsOfOtherClasses) {
  const TempFolder folder;
  PredictOptions options;
  options.model = test::write_half_right_model(folder / "one.pt", false);
  options.with = {test::write_colour_model(folder / "two.pt")};
  options.paths = {test::write_picture(folder / "p.png",
                                       test::flat_picture(40, 40, {0, 51, 0}))};
  EXPECT_EQ(all(options, 0).size(), 1u);
  test::write_text(folder / "two.json",
                   R"({"classes": ["red", "blue", "green"]})");
  const auto message =
      test::message_of(Fault::model, [&] { predict(options, [](auto&) {}); });
  EXPECT_NE(message.find("class 1 is 'green' in " + options.model),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("'blue' in " + options.with[0]), std::string::npos)
      << message;
}

TEST(Predict, AveragesOverTheScales) {
  const TempFolder folder;
  PredictOptions options;
  options.model = test::write_colour_model(folder / "m.pt");
  options.paths = {
      test::write_picture(folder / "p.png", test::blob_picture(50, 70, 1))};
  options.top = 3;
  const auto probabilities = [&](std::vector<double> scales) {
    options.view.scales.values = std::move(scales);
    std::vector<double> out(3);
    const Prediction only = all(options, 0).at(0);
    for (const auto& score : only.top) out[score.index] = score.probability;
    return out;
  };
  const auto own = probabilities({1}), larger = probabilities({1.5}),
             both = probabilities({1, 1.5});
  for (size_t c = 0; c < 3; ++c)
    EXPECT_NEAR(both[c], (own[c] + larger[c]) / 2, 1e-6);  // float32 logits
  EXPECT_GT(std::abs(own[0] - larger[0]), 1e-4);
}

TEST(Predict, WalksFoldersAndRefusesEmptyOnes) {
  const TempFolder folder;
  test::write_colour_data(folder / "data", 2);
  PredictOptions options;
  options.model = test::write_colour_model(folder / "m.pt");
  options.paths = {folder / "data"};
  const auto found = all(options, 0);
  ASSERT_EQ(found.size(), 6u);
  EXPECT_EQ(found[0].top[0].name, "sky, blue");
  std::filesystem::create_directory(folder / "empty");
  options.paths = {folder / "empty"};
  EXPECT_NE(
      test::message_of(Fault::data, [&] { predict(options, [](auto&) {}); })
          .find("no picture"),
      std::string::npos);
}

}  // namespace
}  // namespace engraft
