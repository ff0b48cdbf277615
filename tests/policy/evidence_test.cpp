#include "engraft/policy/evidence.h"

#include <cmath>
#include <numeric>
#include <utility>

#include "policy/stored_evidence.h"
#include "support/tiny_training.h"

namespace engraft {
namespace {

/// Edges from dark to light and from light to dark, kept apart until the last
/// convolution adds them up: what it gives is the same for a mirror image.
torch::jit::Module blind_to_sides() {
  torch::jit::Module module("blind");
  module.register_attribute("training", c10::BoolType::get(), true);
  const auto rising = torch::tensor({-1.0f, 0.0f, 1.0f}).view({1, 1, 1, 3});
  module.register_parameter(
      "edges", torch::cat({rising, -rising}).repeat({1, 3, 1, 1}), false);
  module.register_parameter("same", torch::eye(2).view({2, 2, 1, 1}), false);
  module.register_parameter("sum", torch::ones({2, 2, 1, 1}), false);
  module.register_parameter("fc_w", torch::eye(2), false);
  module.register_parameter("fc_b", torch::zeros({2}), false);
  module.define(R"(def forward(self, x: Tensor):
    x = torch.relu(torch.conv2d(x, self.edges))
    x = torch.relu(torch.conv2d(x, self.same))
    x = torch.relu(torch.conv2d(x, self.same))
    x = torch.relu(torch.conv2d(x, self.same))
    x = torch.relu(torch.conv2d(x, self.same))
    x = torch.relu(torch.conv2d(x, self.sum))
    x = torch.flatten(torch.adaptive_avg_pool2d(x, [1, 1]), 1)
    return torch.linear(x, self.fc_w, self.fc_b)
)");
  return module;
}

class MeasureEvidence : public test::TinyTraining {
 protected:
  EvidenceResult measure(const ImageFolder& folder,
                         const std::string& cache = "none") {
    return measure(chain_, folder, cache);
  }

  EvidenceResult measure(const BlockChain& chain, const ImageFolder& folder,
                         const std::string& cache) {
    EvidenceOptions options;
    options.input = classifier_.input;
    options.threads = 1;
    options.cache.cache = cache;
    return measure_evidence(chain, folder, options);
  }

  /// Dark on the left or on the right: mirrored, one is the other.
  ImageFolder sides() {
    for (int i = 0; i < 24; ++i)
      for (const bool right : {false, true}) {
        cv::Mat picture =
            test::flat_picture(24, 24, cv::Scalar::all(150 + 4 * i));
        picture.colRange(right ? 12 : 0, right ? 24 : 12) =
            cv::Scalar::all(2 * i);
        test::write_picture(folder_ / ("sides/" + std::to_string(right) + "/" +
                                       std::to_string(i) + ".png"),
                            picture);
      }
    return scan_image_folder(folder_ / "sides", {}, 1, "");
  }

  const Classifier classifier_ =
      make_classifier(tiny::traced(false), tiny::input());
  const BlockChain chain_{classifier_};

  ImageFolder scan() { return scan_image_folder(folder_ / "data", {}, 1, ""); }
};

TEST_F(MeasureEvidence, LooksAtTrainingPicturesAtSeveralDepths) {
  const ImageFolder folder = scan();
  const auto [evidence, features, inference] = measure(folder);
  ASSERT_TRUE(evidence.measured());
  EXPECT_TRUE(inference);
  EXPECT_EQ(evidence.pictures, std::ssize(folder.train));
  EXPECT_EQ(evidence.drawn_from, evidence.pictures);
  EXPECT_EQ(evidence.times_more(), 1);
  EXPECT_NEAR(evidence.weighted_error, evidence.head_room(), 1e-9);
  EXPECT_EQ(evidence.classes, 3);
  ASSERT_GE(evidence.depths.size(), 2u);
  for (size_t i = 1; i < evidence.depths.size(); ++i)
    EXPECT_GT(evidence.depths[i].cut, evidence.depths[i - 1].cut);
  // One colour a class: nothing is easier.
  EXPECT_EQ(evidence.accuracy(), 1);
  EXPECT_FALSE(evidence.probe_auroc);
  ASSERT_FALSE(evidence.curve.empty());
  EXPECT_EQ(evidence.curve.back().accuracy, evidence.accuracy());
  for (size_t i = 1; i < evidence.curve.size(); ++i)
    EXPECT_GT(evidence.curve[i].pictures, evidence.curve[i - 1].pictures);
  ASSERT_EQ(evidence.flips.size(), 2u);
  EXPECT_EQ(evidence.flips[0].cut, std::lround(chain_.num_blocks() * 2 / 3.0));
  EXPECT_EQ(evidence.flips[1].cut, chain_.num_blocks());
  for (const ViewProbe& flip : evidence.flips)
    EXPECT_EQ(flip.accuracy, flip.view_accuracy);  // of one colour
  EXPECT_LE(evidence.leep, 0);
  EXPECT_GT(evidence.entropy, 0);
  EXPECT_GT(evidence.confidence, 1.0 / 5 - 1e-9);
  // The features are what the blocks give.
  ASSERT_EQ(features.rows.size(0), std::ssize(features.samples));
  EXPECT_EQ(features.rows.size(1), chain_.head().features);
}

TEST_F(MeasureEvidence, IsAsSureOfWrongLabelsAsOfRightOnes) {
  for (int i = 0; i < 40; ++i)
    for (const int kind : {0, 1}) {
      const int label = i % 4 == 0 ? 1 - kind : kind;  // every fourth is wrong
      test::write_picture(
          folder_ / ("wrong/" + std::to_string(label) + "/" +
                     std::to_string(i) + "-" + std::to_string(kind) + ".png"),
          test::flat_picture(20, 20, cv::Scalar(200 * kind, 6 * i, 100)));
    }
  const ImageFolder folder = scan_image_folder(folder_ / "wrong", {}, 1, "");
  const Evidence evidence = measure(folder).evidence;
  EXPECT_NEAR(evidence.head_room(), 0.25, 0.1);
  ASSERT_TRUE(evidence.probe_auroc);
  EXPECT_NEAR(*evidence.probe_auroc, 0.5, 0.2);
}

TEST_F(MeasureEvidence, IsUnsureOfWhatIsBetweenClasses) {
  // Two greys, and noise that makes one of eight look like the other.
  cv::RNG random(5);
  for (int i = 0; i < 64; ++i)
    for (const int kind : {0, 1}) {
      const double grey = 110 + 36 * kind + random.gaussian(16);
      test::write_picture(
          folder_ / ("between/" + std::to_string(kind) + "/" +
                     std::to_string(i) + ".png"),
          test::flat_picture(20, 20, cv::Scalar(grey, grey, 10 * (i % 16))));
    }
  const ImageFolder folder = scan_image_folder(folder_ / "between", {}, 1, "");
  const Evidence evidence = measure(folder).evidence;
  EXPECT_GT(evidence.head_room(), 0.05);
  ASSERT_TRUE(evidence.probe_auroc);
  EXPECT_GT(*evidence.probe_auroc, 0.75);
}

TEST_F(MeasureEvidence, KnowsSidesFromMirrorImages) {
  const ImageFolder folder = sides();
  const ViewProbe horizontal = measure(folder).evidence.flips.back();
  EXPECT_EQ(horizontal.pictures, std::ssize(folder.train));
  EXPECT_GT(horizontal.accuracy, 0.9);
  EXPECT_LT(horizontal.view_accuracy, 0.1);
  EXPECT_GT(horizontal.z, 2);
  EXPECT_GT(horizontal.loss_gain, 0.1);
  EXPECT_GT(horizontal.loss_z, 2);
}

TEST_F(MeasureEvidence, KnowsSidesWhereTheLastFeaturesDoNot) {
  const auto classifier = make_classifier(blind_to_sides(), tiny::input());
  const auto flips =
      measure(BlockChain(classifier), sides(), "none").evidence.flips;
  ASSERT_EQ(flips.size(), 2u);
  EXPECT_LT(flips[0].cut, flips[1].cut);
  EXPECT_GT(flips[0].accuracy, 0.9);
  EXPECT_LT(flips[0].view_accuracy, 0.1);
  EXPECT_GT(flips[0].loss_gain, 0.15);
  EXPECT_GT(flips[0].loss_z, 3);
  EXPECT_EQ(flips[1].accuracy, flips[1].view_accuracy);
  EXPECT_NEAR(flips[1].loss_gain, 0, 1e-3);
}

TEST_F(MeasureEvidence, MirrorsMorePicturesThanItLooksAtInOtherViews) {
  for (int i = 0; i < 90; ++i)
    for (const int kind : {0, 1})
      test::write_picture(
          folder_ / ("many/" + std::to_string(kind) + "/" + std::to_string(i) +
                     ".png"),
          test::flat_picture(20, 20, cv::Scalar(100 * kind, 2 * i, 100)));
  const ImageFolder folder = scan_image_folder(folder_ / "many", {}, 1, "");
  const Evidence evidence = measure(folder).evidence;
  for (const ViewProbe& flip : evidence.flips)
    EXPECT_EQ(flip.pictures, std::ssize(folder.train));
  EXPECT_GT(evidence.flips.at(0).pictures, 128);
  ASSERT_EQ(evidence.views.size(), 1u);
  EXPECT_EQ(evidence.views[0].pictures, 128);
}

TEST_F(MeasureEvidence, DoesNotSeeWhatIsHeldOut) {
  ImageFolder folder = scan();
  const Json before = to_json(measure(folder).evidence);
  for (Sample& sample : folder.val) sample.label = (sample.label + 1) % 3;
  folder.test = folder.val;
  EXPECT_EQ(to_json(measure(folder).evidence), before);
  folder.val.clear();
  EXPECT_EQ(to_json(measure(folder).evidence), before);
}

TEST_F(MeasureEvidence, IsFoundInTheCacheAndKnowsOtherLabels) {
  const std::string cache = folder_ / "cache";
  ImageFolder folder = scan();
  const auto first = measure(folder, cache), second = measure(folder, cache);
  EXPECT_TRUE(first.inference);
  EXPECT_FALSE(second.inference);  // nothing was computed
  EXPECT_EQ(to_json(first.evidence), to_json(second.evidence));
  EXPECT_TRUE(first.features.rows.defined());
  EXPECT_FALSE(second.features.rows.defined());
  for (size_t i = 0; i < folder.train.size(); ++i)
    folder.train[i].label = static_cast<int64_t>(i) % 3;
  EXPECT_LT(measure(folder, cache).evidence.accuracy(),
            first.evidence.accuracy());
}

TEST_F(MeasureEvidence, IsKeptAlsoWhereAFigureIsNoNumber) {
  EvidenceOptions options;
  options.input = classifier_.input;
  options.cache.cache = folder_ / "cache";
  const ImageFolder folder = scan();
  StoredEvidence stored(chain_, options, folder.train, {7, 7, 7});
  EXPECT_FALSE(stored.read());
  Evidence evidence;
  evidence.pictures = 7;
  evidence.leep = -0.5;
  evidence.log_me = std::nan("");
  stored.write(evidence);
  const auto known = stored.read();
  ASSERT_TRUE(known);
  EXPECT_EQ(known->pictures, 7);
  EXPECT_EQ(known->leep, -0.5);
  EXPECT_FALSE(known->probe_auroc);
  // Drawn from more they would say something else.
  EXPECT_FALSE(StoredEvidence(chain_, options, folder.train, {7, 7, 8}).read());
  EXPECT_TRUE(std::isnan(known->log_me));
}

TEST_F(MeasureEvidence, LeavesItsFeaturesWhereTrainingLooksForThem) {
  const std::string cache = folder_ / "cache";
  const ImageFolder folder = scan();
  const KnownFeatures seen = measure(folder, cache).features;
  ActivationOptions options;
  options.input = classifier_.input;
  options.threads = 1;
  options.cache.cache = cache;
  Activations found(chain_, chain_.num_blocks(), options);
  ASSERT_TRUE(found.prepare(folder.train, 0));
  EXPECT_EQ(found.stats().found, std::ssize(folder.train));
  EXPECT_EQ(found.stats().computed, 0);
  options.cache.cache = "none";
  Activations made(chain_, chain_.num_blocks(), options);
  ASSERT_TRUE(made.prepare(seen.samples, 0));
  std::vector<int64_t> all(seen.samples.size());
  std::iota(all.begin(), all.end(), 0);
  EXPECT_TRUE(torch::allclose(found.read(seen.samples, all, -1),
                              made.read(seen.samples, all, -1), 1e-3, 1e-3));
}

TEST_F(MeasureEvidence, OfOnePictureAClassThereIsNone) {
  ImageFolder folder = scan();
  std::map<int64_t, Sample> one;
  for (const Sample& sample : folder.train) one[sample.label] = sample;
  folder.train.clear();
  for (const auto& [label, sample] : one) folder.train.push_back(sample);
  EXPECT_FALSE(measure(folder).evidence.measured());
}

TEST_F(MeasureEvidence, APictureAloneInItsClassLeavesTheOthers) {
  ImageFolder folder = scan();
  std::erase_if(folder.train, [first = true](const Sample& s) mutable {
    return s.label == 0 && !std::exchange(first, s.label != 0);
  });
  EXPECT_EQ(folder.counts(folder.train)[0], 1);
  EXPECT_TRUE(measure(folder).evidence.measured());
}

TEST_F(MeasureEvidence, LooksAtSomeOfEachOfManyClasses) {
  EXPECT_EQ(evidence_pictures(chain_, 10), 1000);
  EXPECT_EQ(evidence_pictures(chain_, 700), 1400);
  EXPECT_EQ(evidence_pictures(chain_, 5000), 4000);
}

TEST_F(MeasureEvidence, LooksAtNoMoreThanAreAskedFor) {
  EvidenceOptions options;
  options.input = classifier_.input;
  options.cache.cache = "none";
  options.most_pictures = 12;
  const ImageFolder folder = scan();
  const Evidence evidence = measure_evidence(chain_, folder, options).evidence;
  EXPECT_EQ(evidence.pictures, 12);
  EXPECT_EQ(evidence.drawn_from, std::ssize(folder.train));
  EXPECT_EQ(evidence.times_more(), std::ssize(folder.train) / 12.0);
}

TEST_F(MeasureEvidence, CopiesAreHeldOutTogetherAndCountOnce) {
  // Noise of two classes that nothing tells apart, each picture four times:
  // twice nearly the same and with a copy of each.
  cv::RNG random(3);
  for (int i = 0; i < 40; ++i) {
    cv::Mat picture(24, 24, CV_8UC3);
    random.fill(picture, cv::RNG::UNIFORM, 0, 250);
    cv::Mat near = picture.clone();
    near.at<uchar>(12, 12) ^= 1;
    const std::string name =
        folder_ / ("noise/" + std::to_string(i % 2) + "/" + std::to_string(i));
    for (const char* copy : {"", "b"}) {
      test::write_picture(name + copy + ".png", picture);
      test::write_picture(name + copy + "c.png", near);
    }
  }
  ImageFolder folder = scan_image_folder(folder_ / "noise", {}, 1, "");
  folder.train.insert(folder.train.end(), folder.val.begin(), folder.val.end());
  const Evidence evidence = measure(folder).evidence;
  EXPECT_EQ(std::ssize(folder.train), 160);
  EXPECT_EQ(evidence.drawn_from, 80);
  EXPECT_NEAR(evidence.distinct, 0.25, 0.02);
  EXPECT_LT(evidence.accuracy(), 0.75);  // 1 where one tells the other
}

TEST(Evidence, TheCurveIsFittedByAPowerOfThePictures) {
  Evidence evidence;
  evidence.pictures = 1000;
  for (const double n : {100.0, 200.0, 400.0})
    evidence.curve.push_back(
        {static_cast<int64_t>(n), 1 - 0.4 * std::pow(n / 100, -0.5), 0});
  evidence.depths.push_back({1, 8, evidence.curve.back().accuracy, 0});
  EXPECT_NEAR(evidence.growth(), 0.5, 1e-6);
  EXPECT_NEAR(evidence.head_room(), 0.2, 1e-9);
  EXPECT_NEAR(evidence.error_with(4), 0.1, 1e-6);
  EXPECT_NEAR(evidence.error_in_all(), 0.2, 1e-9);
  evidence.drawn_from = 4000;
  EXPECT_NEAR(evidence.error_in_all(), 0.1, 1e-6);
  evidence.weighted_error = 0.3;
  EXPECT_NEAR(evidence.error_in_all(), 0.15, 1e-6);
  evidence.curve.resize(1);
  EXPECT_EQ(evidence.growth(), 0);
}

}  // namespace
}  // namespace engraft
