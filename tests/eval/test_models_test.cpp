#include "eval/test_models.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "cli/colour_model.h"
#include "engraft/data/crops.h"
#include "engraft/data/image.h"
#include "engraft/model/ensemble.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

using test::message_of;
using test::TempFolder;

/// Two models of the same classes on inputs of two sizes, each right on the
/// pictures that the other is wrong on.
class TestModels : public testing::Test {
 protected:
  TestModels() {
    options_.model = one_;
    options_.with = {two_};
    options_.data = folder_ / "data";
    options_.view.crops = 5;
    options_.batch_size = 10;
    test::write_colour_data(options_.data, 3);
  }

  Report alone(const std::string& model) const {
    EvalOptions options = options_;
    options.model = model;
    options.with.clear();
    return evaluate_model(options);
  }

  const TempFolder folder_;
  const std::string one_ =
      test::write_half_right_model(folder_ / "one.pt", false);
  const std::string two_ =
      test::write_half_right_model(folder_ / "two.pt", true, 24);
  EvalOptions options_;
};

/// Mean probability of `label` over models and views, one picture at a time.
double probability(const std::vector<std::string>& models,
                   const std::string& path, int64_t label, int64_t crops) {
  double sum = 0;
  for (const auto& model : models) {
    const Classifier classifier = load_classifier(model);
    const BlockChain chain(classifier);
    for (const auto& view :
         evaluation_views(decode_image(path), classifier.input, crops))
      sum += chain.logits(normalise(view, classifier.input).unsqueeze(0))
                 .to(torch::kFloat64)
                 .softmax(1)[0][label]
                 .item<double>() /
             static_cast<double>(crops);
  }
  return sum / static_cast<double>(models.size());
}

TEST_F(TestModels, TheMeanIsThatOfTheProbabilities) {
  const std::string data = folder_ / "blobs";
  const char* names[] = {"red", "green", "sky, blue"};
  double loss = 0, loss_one_crop = 0;
  for (int i = 0; i < 6; ++i) {
    const auto path = test::write_picture(
        data + "/" + names[i % 3] + "/" + std::to_string(i) + ".png",
        test::blob_picture(50, 60 + i, i));
    loss -= std::log(probability({one_, two_}, path, i % 3, 5)) / 6;
    loss_one_crop -= std::log(probability({one_, two_}, path, i % 3, 1)) / 6;
  }
  options_.data = data;
  const Report report = evaluate_model(options_);
  EXPECT_EQ(report.main.metrics.images, 6);
  // 1e-5: logits and sums are in single precision.
  EXPECT_NEAR(report.main.metrics.loss, loss, 1e-5);
  EXPECT_NEAR(report.one_crop.metrics.loss, loss_one_crop, 1e-5);
  EXPECT_NE(report.main.metrics.loss, report.one_crop.metrics.loss);
  options_.view.crops = 1;
  const Report single = evaluate_model(options_);
  EXPECT_NEAR(single.main.metrics.loss, loss_one_crop, 1e-5);
  EXPECT_NEAR(single.one_crop.metrics.loss, loss_one_crop, 1e-5);
}

TEST_F(TestModels, MembersHaveTheFiguresThatTheyHaveAlone) {
  const Report report = evaluate_model(options_);
  ASSERT_EQ(report.members.size(), 2u);
  double seconds = 0;
  for (const Report& member : report.members) {
    const Report single = alone(member.model);
    EXPECT_EQ(to_json(member.main.metrics), to_json(single.main.metrics));
    EXPECT_EQ(to_json(member.one_crop.metrics),
              to_json(single.one_crop.metrics));
    EXPECT_EQ(member.classes, single.classes);
    EXPECT_TRUE(member.members.empty());
    EXPECT_FALSE(member.gain.has_value());
    seconds += member.main.seconds;
  }
  EXPECT_EQ(report.members[1].model, two_);
  EXPECT_EQ(report.model, one_);
  EXPECT_EQ(report.main.seconds, seconds);
  EXPECT_EQ(report.main.crops, 5);
  EXPECT_EQ(report.one_crop.crops, 1);
}

TEST_F(TestModels, TheGainIsCountedOverTheBestMember) {
  const Report report = evaluate_model(options_);
  EXPECT_EQ(report.main.metrics.top1, 1.0);
  ASSERT_TRUE(report.gain.has_value());
  // The first knows two of three colours, three pictures each.
  EXPECT_EQ(report.gain->best, 0);
  EXPECT_EQ(report.gain->won, 3);
  EXPECT_EQ(report.gain->lost, 0);
  EXPECT_NEAR(report.gain->top1, 1.0 / 3, 1e-12);
  EXPECT_NEAR(report.gain->p_value, 0.25, 1e-12);
}

TEST_F(TestModels, OneModelIsNoEnsemble) {
  const Report report = alone(one_);
  EXPECT_TRUE(report.members.empty());
  EXPECT_FALSE(report.gain.has_value());
  const Json json = to_json(report);
  EXPECT_FALSE(json.contains("members"));
  EXPECT_FALSE(json.contains("gain"));
  EXPECT_TRUE(json.contains("inference"));
}

TEST_F(TestModels, AFileOfSeveralIsTestedByItsMembers) {
  const auto other = test::write_half_right_model(folder_ / "other.pt", true);
  options_.with = {other};
  const Report apart = evaluate_model(options_);
  save_classifier(combine({load_classifier(one_), load_classifier(other)}),
                  folder_ / "both.pt");
  const Report together = alone(folder_ / "both.pt");
  EXPECT_EQ(to_json(together.main.metrics), to_json(apart.main.metrics));
  ASSERT_EQ(together.members.size(), 2u);
  EXPECT_EQ(together.model, folder_ / "both.pt");
  EXPECT_EQ(together.members[1].model, folder_ / "both.pt" + ": " + other);
  EXPECT_EQ(to_json(together.members[1].main.metrics),
            to_json(apart.members[1].main.metrics));
  // Each of its members counts as much as one model beside it.
  options_.model = folder_ / "both.pt";
  options_.with = {two_};
  EXPECT_EQ(evaluate_model(options_).members.size(), 3u);
}

TEST_F(TestModels, OtherClassesAreRefusedBeforeAnyPictureIsRead) {
  options_.data = folder_ / "absent";
  const auto renamed = test::write_colour_model(folder_ / "renamed.pt");
  test::write_text(folder_ / "renamed.json",
                   R"({"classes": ["red", "green", "blue"]})");
  options_.with = {two_, renamed};
  const auto names =
      message_of(Fault::model, [&] { evaluate_model(options_); });
  EXPECT_NE(names.find("class 2 is 'sky, blue' in " + one_ + " and 'blue' in " +
                       renamed),
            std::string::npos)
      << names;
  Classifier four = test::colour_classifier();
  four.module.setattr("weight", torch::ones({4, 3}));
  four.module.setattr("bias", torch::ones(4));
  four.module.save(folder_ / "four.pt");
  options_.with = {folder_ / "four.pt"};
  const auto count =
      message_of(Fault::model, [&] { evaluate_model(options_); });
  EXPECT_NE(count.find(one_ + " has 3 and " + options_.with[0] + " has 4"),
            std::string::npos)
      << count;
}

TEST_F(TestModels, AModelWithoutNamesTakesThoseOfTheOthers) {
  const auto nameless = test::write_colour_model(folder_ / "nameless.pt");
  std::filesystem::remove(folder_ / "nameless.json");
  options_.model = nameless;
  options_.with = {two_};
  EXPECT_EQ(evaluate_model(options_).classes,
            (std::vector<std::string>{"sky, blue", "green", "red"}));
}

TEST_F(TestModels, ProgressAndNotesAreThoseOfAll) {
  int64_t last = 0, all = 0;
  std::vector<std::string> notes;
  options_.with = {test::write_colour_model(folder_ / "foreign.pt")};
  evaluate_model(
      options_,
      [&](int64_t done, int64_t total) {
        EXPECT_GT(done, last);
        last = done;
        all = total;
      },
      [&](const std::string& text) { notes.push_back(text); });
  EXPECT_EQ(last, 18);
  EXPECT_EQ(all, 18);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].find(folder_ / "foreign.pt" + ": preprocessing"), 0u);
}

TEST_F(TestModels, ABrokenMemberIsNamed) {
  Classifier broken = load_classifier(two_);
  broken.module.attr("weight").toTensor().fill_(
      std::numeric_limits<double>::quiet_NaN());
  save_classifier(broken, folder_ / "broken.pt");
  options_.with = {folder_ / "broken.pt"};
  EXPECT_EQ(message_of(Fault::model, [&] { evaluate_model(options_); })
                .find(folder_ / "broken.pt" + ": its output is not a number"),
            0u);
}

}  // namespace
}  // namespace engraft
