#include "engraft/eval/predict.h"

#include <gtest/gtest.h>

#include "cli/colour_model.h"
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
