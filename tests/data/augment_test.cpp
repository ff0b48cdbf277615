#include "engraft/data/augment.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>

#include "data/view_policy.h"
#include "engraft/data/crops.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

using namespace test;

AugmentSettings plain() {  // a random crop and nothing else
  AugmentSettings settings = augment_settings(AugmentStrength::none, {});
  settings.crop_area_min = 0.25;
  settings.crop_aspect = 4.0 / 3;
  return settings;
}

cv::Mat view_of(const cv::Mat& image, const AugmentSettings& settings,
                uint64_t key, uint64_t epoch = 0) {
  ImageRandom random(1, epoch, key);
  return random_view(image, settings, InputSpec(), random);
}

bool same(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() && cv::norm(a, b, cv::NORM_INF) == 0;
}

TEST(ImageRandom, DrawsTheSameNumbersOnEveryMachine) {
  // From an implementation in Python's integers: SplitMix64's finaliser over
  // the key and over key + i * golden ratio, upper 53 bits.
  ImageRandom random(1, 2, 3);
  EXPECT_EQ(random.uniform(), 0.1300857085561754);
  EXPECT_EQ(random.uniform(), 0.4373184320319292);
  EXPECT_EQ(random.uniform(), 0.9549255112847241);
}

TEST(ImageRandom, IsUniformAndNormalEnough) {
  double sum = 0, square = 0, normal = 0, normal_square = 0;
  constexpr int kDraws = 20000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    ImageRandom random(7, i % 3, i);  // neighbouring keys must not agree
    const double u = random.uniform(), n = random.normal();
    sum += u;
    square += u * u;
    normal += n;
    normal_square += n * n;
  }
  // Four standard errors: sqrt(1 / 12 / 20000) = 0.002, sqrt(1 / 20000).
  EXPECT_NEAR(sum / kDraws, 0.5, 0.008);
  EXPECT_NEAR(square / kDraws, 1.0 / 3, 0.009);
  EXPECT_NEAR(normal / kDraws, 0, 0.03);
  EXPECT_NEAR(normal_square / kDraws, 1, 0.04);
}

TEST(RandomView, IsAFunctionOfSeedEpochAndImage) {
  const cv::Mat image = blob_picture(300, 400, 1);
  const auto settings = augment_settings(AugmentStrength::strong, {});
  EXPECT_TRUE(same(view_of(image, settings, 5), view_of(image, settings, 5)));
  EXPECT_FALSE(same(view_of(image, settings, 5), view_of(image, settings, 6)));
  EXPECT_FALSE(
      same(view_of(image, settings, 5), view_of(image, settings, 5, 1)));
}

TEST(RandomView, LeavesThePictureItself) {
  const cv::Mat image = blob_picture(224, 224, 1), before = image.clone();
  auto settings = augment_settings(AugmentStrength::strong, {});
  settings.crop_area_min = 1;  // a view of the same size needs no resize
  for (uint64_t key = 0; key < 10; ++key) view_of(image, settings, key);
  EXPECT_TRUE(same(image, before));
}

TEST(RandomView, OfStrengthNoneIsTheEvaluationsCentreCrop) {
  const cv::Mat image = blob_picture(300, 400, 1);
  EXPECT_TRUE(
      same(view_of(image, augment_settings(AugmentStrength::none, {}), 5),
           evaluation_views(image, InputSpec(), 1)[0]));
}

TEST(RandomView, KeepsAreaAndAspectInTheirRanges) {
  // Colours are places, so the corners of a view tell its window.
  const cv::Mat image = place_picture(256, 256);
  double smallest = 1, largest = 0;
  for (uint64_t key = 0; key < 300; ++key) {
    const cv::Mat view = view_of(image, plain(), key);
    const auto first = view.at<cv::Vec3b>(0, 0);
    const auto last = view.at<cv::Vec3b>(223, 223);
    const double width = last[0] - first[0] + 1;
    const double height = last[1] - first[1] + 1;
    smallest = std::min(smallest, width * height / 65536);
    largest = std::max(largest, width * height / 65536);
    // A corner blends its neighbours: one pixel of 128 at each end.
    EXPECT_LT(std::abs(std::log(width / height)), std::log(4.0 / 3) + 0.03);
  }
  EXPECT_NEAR(smallest, 0.25, 0.03);
  EXPECT_NEAR(largest, 1, 0.06);
}

TEST(RandomView, EnlargesPicturesSmallerThanTheCrop) {
  for (const cv::Size size : {cv::Size(1, 1), cv::Size(40, 3), cv::Size(3, 40)})
    for (uint64_t key = 0; key < 20; ++key)
      EXPECT_TRUE(same(view_of(flat_picture(size.height, size.width, {9, 8, 7}),
                               plain(), key),
                       flat_picture(224, 224, {9, 8, 7})));
}

TEST(RandomView, MirrorsHalfOfTheViewsUnlessTold) {
  AugmentSettings settings = augment_settings(AugmentStrength::none, {});
  const cv::Mat image = place_picture(224, 224);
  const auto mirrored = [&](uint64_t key) {
    const cv::Mat view = view_of(image, settings, key);
    return view.at<cv::Vec3b>(0, 0)[0] > view.at<cv::Vec3b>(0, 223)[0];
  };
  int count = 0;
  for (uint64_t key = 0; key < 100; ++key) count += mirrored(key);
  EXPECT_EQ(count, 0);
  settings.flip = true;
  for (uint64_t key = 0; key < 400; ++key) count += mirrored(key);
  EXPECT_NEAR(count, 200, 40);  // four standard deviations
}

TEST(RandomView, RotatesAboutTheCentreWithReflectedBorders) {
  AugmentSettings settings = augment_settings(AugmentStrength::none, {});
  settings.rotation = 30;
  InputSpec spec;
  spec.resize = spec.crop = 64;
  cv::Mat image = flat_picture(64, 64, {200, 100, 50});
  image(cv::Rect(30, 30, 4, 4)) = cv::Scalar(0, 0, 0);
  ImageRandom random(1, 2, 3);
  const cv::Mat view = random_view(image, settings, spec, random);
  EXPECT_EQ(view.at<cv::Vec3b>(31, 31), cv::Vec3b(0, 0, 0));
  for (const auto& corner : {cv::Point(0, 0), {63, 0}, {0, 63}, {63, 63}})
    EXPECT_EQ(view.at<cv::Vec3b>(corner), cv::Vec3b(200, 100, 50));
}

TEST(RandomView, ChangesBrightnessWithinItsRange) {
  AugmentSettings settings = augment_settings(AugmentStrength::none, {});
  settings.brightness = 0.2;
  std::set<int> levels;
  for (uint64_t key = 0; key < 200; ++key)
    levels.insert(
        view_of(flat_picture(224, 224, {100, 100, 100}), settings, key)
            .at<cv::Vec3b>(0, 0)[0]);
  EXPECT_LE(*levels.begin(), 82);
  EXPECT_GE(*levels.begin(), 80);
  EXPECT_GE(*levels.rbegin(), 118);
  EXPECT_LE(*levels.rbegin(), 120);
}

TEST(RandomView, ShiftsColoursAlongThePrincipalAxes) {
  AugmentSettings settings = augment_settings(AugmentStrength::none, {});
  settings.pca = 0.1;
  double square = 0;
  for (uint64_t key = 0; key < 400; ++key) {
    const auto colour =
        view_of(flat_picture(224, 224, {100, 100, 100}), settings, key)
            .at<cv::Vec3b>(0, 0);
    square += (colour[0] - 100) * (colour[0] - 100) / 400.0;
  }
  // Red: 255 * 0.1 * |(0.2175 * 0.5675, 0.0188 * 0.7192, 0.0045 * 0.4009)|
  // = 3.17, plus rounding (1 / 12); 400 draws are good for 10 %.
  EXPECT_NEAR(std::sqrt(square), 3.18, 0.35);
}

TEST(RandomView, DrawsNoNumberForWhatIsOff) {
  AugmentSettings settings = plain();
  settings.crop_aspect = 1;  // any square fits at the first attempt
  settings.flip = true;
  settings.brightness = 0.1;
  const cv::Mat image = blob_picture(300, 300, 1);
  ImageRandom random(1, 2, 3), fresh(1, 2, 3);
  random_view(image, settings, InputSpec(), random);
  // Area, aspect, x and y; mirror; three of a shuffle, four of the colours.
  for (int i = 0; i < 12; ++i) fresh.uniform();
  EXPECT_EQ(random.uniform(), fresh.uniform());
}

TEST(RandomView, MirrorsTopToBottomWhenTold) {
  AugmentSettings settings = augment_settings(AugmentStrength::none, {});
  settings.vertical_flip = true;
  const cv::Mat image = place_picture(256, 256);
  const cv::Mat upright = evaluation_views(image, InputSpec(), 1)[0];
  cv::Mat upside_down;
  cv::flip(upright, upside_down, 0);
  int count = 0;
  for (uint64_t key = 0; key < 400; ++key) {
    const cv::Mat view = view_of(image, settings, key);
    const bool mirrored = same(view, upside_down);
    EXPECT_TRUE(mirrored || same(view, upright));
    count += mirrored;
  }
  EXPECT_NEAR(count, 200, 40);  // four standard deviations
}

TEST(RandomView, TurnsByRightAnglesExactly) {
  AugmentSettings settings = augment_settings(AugmentStrength::none, {});
  settings.right_angles = true;
  std::array<cv::Mat, 4> turns;
  const cv::Mat image = place_picture(256, 256);
  turns[0] = evaluation_views(image, InputSpec(), 1)[0];
  for (int i = 1; i < 4; ++i) {  // transpose and mirror: a quarter
    cv::transpose(turns[i - 1], turns[i]);
    cv::flip(turns[i], turns[i], 1);
  }
  std::array<int, 4> counts{};
  for (uint64_t key = 0; key < 400; ++key) {
    const cv::Mat view = view_of(image, settings, key);
    int matches = 0;
    for (size_t i = 0; i < 4; ++i) {
      const bool match = same(view, turns[i]);
      matches += match;
      counts[i] += match;
    }
    EXPECT_EQ(matches, 1);
  }
  // Four standard deviations: sqrt(400 * 0.25 * 0.75) = 8.7.
  for (const int count : counts) EXPECT_NEAR(count, 100, 35);
}

TEST(RandomView, DoesThePolicyOnTheFinishedCrop) {
  AugmentOptions options;
  options.policy = AugmentPolicy::rand;
  options.policy_operations = 3;
  const auto settings = augment_settings(AugmentStrength::none, options);
  const cv::Mat image = blob_picture(300, 400, 1);
  for (uint64_t key = 0; key < 20; ++key) {
    ImageRandom random(1, 0, key);
    cv::Mat expected = evaluation_views(image, InputSpec(), 1)[0];
    apply_policy(draw_policy(settings, random), expected);
    EXPECT_TRUE(same(view_of(image, settings, key), expected));
  }
}

TEST(RandomView, ErasesAsManyViewsAsTold) {
  AugmentSettings settings = augment_settings(AugmentStrength::none, {});
  settings.erase = 0.25;
  const cv::Mat image = flat_picture(224, 224, {9, 8, 7});
  int count = 0;
  for (uint64_t key = 0; key < 400; ++key)
    count += !same(view_of(image, settings, key), image);
  EXPECT_NEAR(count, 100, 35);  // four standard deviations
}

TEST(AugmentSettings, KnowWhetherViewsDiffer) {
  const cv::Mat image = blob_picture(300, 400, 1);
  const auto differ = [&](const AugmentSettings& settings) {
    const cv::Mat first = view_of(image, settings, 1);
    bool out = false;
    for (uint64_t epoch = 2; epoch < 20; ++epoch)
      out = out || !same(first, view_of(image, settings, epoch));
    return out;
  };
  const auto plain = augment_settings(AugmentStrength::none, {});
  EXPECT_FALSE(is_random(plain));
  EXPECT_FALSE(differ(plain));
  std::vector<AugmentSettings> all(12, plain);
  all[0].crop_area_min = 0.5;
  all[1].flip = true;
  all[2].vertical_flip = true;
  all[3].right_angles = true;
  all[4].brightness = 0.3;
  all[5].contrast = 0.3;
  all[6].saturation = 0.3;
  all[7].hue = 0.2;
  all[8].pca = 0.3;
  all[9].rotation = 20;
  all[10].policy = AugmentPolicy::trivial;
  all[11].erase = 0.5;
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(is_random(all[i])) << i;
    EXPECT_TRUE(differ(all[i])) << i;
  }
}

TEST(AugmentSettings, APolicyTakesThePlaceOfColoursAndRotation) {
  AugmentOptions options;
  options.policy = AugmentPolicy::trivial;
  options.hue = 0.1;  // no policy turns hues
  const auto settings = augment_settings(AugmentStrength::strong, options);
  EXPECT_EQ(settings.brightness, 0);
  EXPECT_EQ(settings.contrast, 0);
  EXPECT_EQ(settings.saturation, 0);
  EXPECT_EQ(settings.pca, 0);
  EXPECT_EQ(settings.rotation, 0);
  EXPECT_EQ(settings.hue, 0.1);
  EXPECT_EQ(settings.crop_area_min, 0.08);
  EXPECT_TRUE(settings.flip);
  options.policy = AugmentPolicy::rand;
  EXPECT_EQ(
      augment_settings(AugmentStrength::strong, options).policy_operations, 2);
  EXPECT_EQ(augment_settings(AugmentStrength::strong, options).policy_magnitude,
            9);
}

TEST(AugmentSettings, TheirJsonNamesWhatIsOffByNothing) {
  // It is part of the names under which activations are kept.
  const std::string before =
      R"({"strength":"standard","crop_area":[0.25,1.0],"crop_aspect":1.)"
      R"(3333333333333333,"brightness":0.2,"contrast":0.2,"saturation":0.2,)"
      R"("hue":0.02,"pca":0.0,"rotation":0.0,"flip":true})";
  AugmentOptions options;
  EXPECT_EQ(to_json(augment_settings(AugmentStrength::standard, {})).dump(),
            before);
  options.vertical_flip = options.right_angles = true;
  options.policy = AugmentPolicy::rand;
  options.policy_magnitude = 5;
  options.erase = 0.5;
  const Json on = to_json(augment_settings(AugmentStrength::standard, options));
  EXPECT_EQ(on["vertical_flip"], true);
  EXPECT_EQ(on["right_angles"], true);
  EXPECT_EQ(on["policy"], "rand");
  EXPECT_EQ(on["policy_operations"], 2);
  EXPECT_EQ(on["policy_magnitude"], 5);
  EXPECT_EQ(on["erase"], 0.5);
  options.policy = AugmentPolicy::trivial;
  const Json trivial =
      to_json(augment_settings(AugmentStrength::standard, options));
  EXPECT_EQ(trivial["policy"], "trivial");
  EXPECT_FALSE(trivial.contains("policy_magnitude"));
}

TEST(AugmentSettings, FollowTheStrengthAndThenTheOptions) {
  EXPECT_EQ(augment_settings(AugmentStrength::strong, {}).rotation, 10);
  EXPECT_TRUE(augment_settings(AugmentStrength::light, {}).flip);
  AugmentOptions options;
  options.crop_area = 0.6;
  options.hue = 0;
  options.flip = false;
  const auto settings = augment_settings(AugmentStrength::strong, options);
  EXPECT_EQ(settings.crop_area_min, 0.6);
  EXPECT_EQ(settings.hue, 0);
  EXPECT_EQ(settings.brightness, 0.4);
  EXPECT_FALSE(settings.flip);
  EXPECT_EQ(to_json(settings)["strength"], "strong");
  for (const auto strength : {AugmentStrength::none, AugmentStrength::light,
                              AugmentStrength::standard})
    EXPECT_EQ(augment_settings(strength, {}).strength, strength);
}

TEST(NeededSide, IsExactForCentreCropsAndCoversTheMiddleArea) {
  EXPECT_EQ(
      needed_side(augment_settings(AugmentStrength::none, {}), InputSpec()), 0);
  // 256 / sqrt((0.25 + 1) / 2) = 323.8
  AugmentSettings settings = plain();
  EXPECT_EQ(needed_side(settings, InputSpec()), 324);
  settings.policy = AugmentPolicy::trivial;
  settings.right_angles = true;
  EXPECT_EQ(needed_side(settings, InputSpec()), 324);
}

}  // namespace
}  // namespace engraft
