#include "data/view_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "support/tiny_images.h"

namespace engraft {
namespace {

using namespace test;

AugmentSettings rand_settings(int64_t operations, int64_t magnitude) {
  AugmentSettings settings;
  settings.policy = AugmentPolicy::rand;
  settings.policy_operations = operations;
  settings.policy_magnitude = magnitude;
  return settings;
}

AugmentSettings trivial_settings() {
  AugmentSettings settings;
  settings.policy = AugmentPolicy::trivial;
  return settings;
}

const ViewOperation& operation(const std::string& name) {
  for (const auto& row : view_operations())
    if (row.name == name) return row;
  throw std::logic_error(name);
}

/// 4 x 4 pixels without any regularity.
cv::Mat small_picture() {
  cv::Mat out(4, 4, CV_8UC3);
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 4; ++x)
      out.at<cv::Vec3b>(y, x) = {
          static_cast<uint8_t>(97 * x * x + 55 * y + 14),
          static_cast<uint8_t>(90 * y * y + 31 * x + 5),
          static_cast<uint8_t>(250 - 60 * x * y - 23 * y)};
  return out;
}

using Levels = std::vector<int>;

Levels levels(const cv::Mat& view) {
  const cv::Mat whole = view.isContinuous() ? view : view.clone();
  return {whole.datastart, whole.dataend};
}

/// What Pillow 13 makes of small_picture: ImageOps.posterize(p, 3),
/// ImageOps.solarize(p, 100), ImageOps.autocontrast(p), then
/// ImageEnhance.X(p).enhance(1 + value).
const struct {
  const char* name;
  double value;
  int tolerance;  ///< 1: Pillow rounds in between and cuts off at the end
  Levels expected;
} kPillow[] = {
    {"posterize", 5, 0, {0,  0,   224, 96,  32,  224, 128, 64,  224, 96,
                         96, 224, 64,  64,  224, 160, 96,  160, 192, 128,
                         96, 160, 160, 32,  96,  96,  192, 192, 128, 64,
                         0,  160, 192, 224, 192, 96,  160, 32,  160, 0,
                         64, 0,   32,  96,  64,  0,   128, 128}},
    {"solarize", 156, 0, {14,  5,  5,  144, 36,  5,   109, 67, 5,   136,
                          98,  5,  69, 95,  28,  89,  129, 88, 54,  98,
                          148, 81, 67, 47,  131, 146, 51,  34, 115, 84,
                          0,   84, 35, 26,  53,  155, 76,  47, 74,  20,
                          78,  1,  55, 146, 77,  28,  115, 102}},
    {"autocontrast", 0, 0, {15,  0,   255, 123, 40,  255, 162, 80,  255, 132,
                            120, 255, 76,  116, 231, 184, 156, 170, 223, 196,
                            108, 193, 236, 47,  138, 134, 207, 246, 174, 85,
                            0,   214, 224, 255, 255, 101, 199, 54,  184, 22,
                            94,  0,   61,  134, 77,  31,  174, 155}},
    {"brightness", -0.9, 1, {1,  0,  25, 11, 3,  25, 14, 6,  25, 11, 9,  25,
                             6,  9,  22, 16, 12, 16, 20, 15, 10, 17, 18, 4,
                             12, 10, 20, 22, 14, 8,  0,  17, 22, 22, 20, 10,
                             17, 4,  18, 2,  7,  0,  5,  10, 7,  2,  14, 15}},
    {"brightness", 0.9, 1, {26,  9,   255, 210, 68,  255, 255, 127, 255, 226,
                            186, 255, 131, 180, 255, 255, 239, 255, 255, 255,
                            203, 255, 255, 89,  235, 207, 255, 255, 255, 159,
                            0,   255, 255, 255, 255, 190, 255, 89,  255, 38,
                            148, 1,   104, 207, 146, 53,  255, 255}},
    {"colour", -0.9, 1, {33,  32,  57,  85,  78,  99,  114, 106, 124, 121,
                         119, 134, 98,  101, 114, 145, 141, 145, 167, 163,
                         158, 168, 170, 155, 124, 122, 132, 164, 156, 150,
                         112, 129, 134, 201, 198, 188, 109, 96,  109, 48,
                         54,  46,  85,  91,  87,  100, 111, 112}},
    {"colour", 0.9, 1, {0,   0,   255, 136, 0,   255, 177, 27,  255, 116,
                        76,  255, 39,  88,  255, 186, 110, 188, 234, 150,
                        55,  179, 206, 0,   124, 95,  255, 255, 123, 17,
                        0,   212, 255, 255, 205, 11,  248, 0,   252, 0,
                        101, 0,   24,  127, 66,  0,   168, 193}},
    {"contrast", -0.9, 1, {107, 106, 131, 117, 109, 131, 120, 112, 131, 118,
                           116, 131, 113, 115, 128, 122, 118, 122, 126, 121,
                           116, 123, 125, 110, 118, 117, 126, 128, 120, 114,
                           106, 123, 128, 129, 126, 116, 124, 110, 124, 108,
                           114, 106, 111, 117, 113, 109, 120, 121}},
    {"contrast", 0.9, 1, {0,  0,   255, 104, 0,   255, 171, 21,  255, 119,
                          80, 255, 24,  74,  255, 209, 133, 211, 255, 192,
                          97, 224, 251, 0,   129, 100, 255, 255, 159, 53,
                          0,  218, 255, 255, 255, 83,  233, 0,   237, 0,
                          42, 0,   0,   100, 40,  0,   159, 184}},
    {"sharpness", -0.9, 1, {14,  5,   250, 111, 36,  250, 146, 67,  250, 119,
                            98,  250, 69,  95,  227, 135, 109, 185, 170, 140,
                            142, 174, 188, 47,  124, 109, 204, 155, 123, 119,
                            75,  154, 148, 229, 202, 100, 179, 47,  181, 20,
                            78,  1,   55,  109, 77,  28,  140, 153}},
    {"sharpness", 0.9, 1, {14, 5,   250, 111, 36,  250, 146, 67,  250, 119,
                           98, 250, 69,  95,  227, 196, 142, 149, 231, 173,
                           71, 174, 188, 47,  124, 109, 204, 255, 156, 48,
                           0,  187, 255, 229, 202, 100, 179, 47,  181, 20,
                           78, 1,   55,  109, 77,  28,  140, 153}},
};

TEST(ViewOperations, ColoursAndLevelsAreThoseOfPillow) {
  for (const auto& row : kPillow) {
    cv::Mat view = small_picture();
    operation(row.name).apply(view, row.value);
    const Levels found = levels(view);
    ASSERT_EQ(found.size(), row.expected.size());
    for (size_t i = 0; i < found.size(); ++i)
      EXPECT_NEAR(found[i], row.expected[i], row.tolerance)
          << row.name << " " << row.value << " at " << i;
  }
}

TEST(ViewOperations, EachHasItsOwnNameAndRanges) {
  std::set<std::string> names;
  for (const auto& row : view_operations()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_GE(row.largest_rand, 0) << row.name;
    EXPECT_EQ(row.largest_rand > 0, row.largest_trivial > 0) << row.name;
    EXPECT_TRUE(row.largest_rand > 0 || !row.either_sign) << row.name;
  }
  EXPECT_EQ(names.size(), 14u);
}

TEST(ViewOperations, ChangeNothingAtMagnitudeZeroAndMuchAtTheLargest) {
  const cv::Mat before = blob_picture(48, 48, 3);
  for (const auto& row : view_operations()) {
    cv::Mat least = before.clone(), most = before.clone();
    row.apply(least, 0);
    row.apply(most, row.largest_trivial);
    const bool has_value = row.largest_trivial > 0;
    const bool is_identity = std::string(row.name) == "identity";
    EXPECT_EQ(cv::norm(least, before, cv::NORM_INF) == 0,
              has_value || is_identity)
        << row.name;
    EXPECT_EQ(cv::norm(most, before, cv::NORM_INF) == 0, is_identity)
        << row.name;
    EXPECT_EQ(most.size(), before.size()) << row.name;
    EXPECT_EQ(most.type(), before.type()) << row.name;
  }
}

TEST(ViewOperations, MoveAndTurnInTheirOwnDirections) {
  const cv::Mat places = place_picture(65, 65);
  const auto colour_at = [&](const char* name, double value, cv::Point at) {
    cv::Mat view = places.clone();
    operation(name).apply(view, value);
    return cv::Point(view.at<cv::Vec3b>(at)[0], view.at<cv::Vec3b>(at)[1]);
  };
  EXPECT_EQ(colour_at("translate-x", 0.2, {40, 30}), cv::Point(27, 30));
  EXPECT_EQ(colour_at("translate-y", 0.2, {40, 30}), cv::Point(40, 17));
  EXPECT_EQ(colour_at("shear-x", 0.5, {20, 40}), cv::Point(24, 40));
  EXPECT_EQ(colour_at("shear-y", 0.5, {20, 40}), cv::Point(20, 34));
  EXPECT_EQ(colour_at("rotate", 90, {20, 40}), cv::Point(24, 20));
}

TEST(DrawPolicy, OfNoneIsEmptyAndDrawsNoNumber) {
  ImageRandom random(1, 2, 3), fresh(1, 2, 3);
  EXPECT_TRUE(draw_policy(AugmentSettings(), random).empty());
  EXPECT_EQ(random.uniform(), fresh.uniform());
}

TEST(DrawPolicy, OfRandIsSeveralOperationsOfOneMagnitude) {
  std::map<std::string, int> counts;
  int negative = 0, either = 0;
  constexpr int kDraws = 2000;
  for (uint64_t key = 0; key < kDraws; ++key) {
    ImageRandom random(1, 2, key);
    const auto steps = draw_policy(rand_settings(3, 12), random);
    ASSERT_EQ(steps.size(), 3u);
    for (const auto& [row, value] : steps) {
      ++counts[row->name];
      EXPECT_DOUBLE_EQ(std::abs(value), 12.0 / 30 * row->largest_rand);
      if (!row->either_sign) {
        EXPECT_GE(value, 0);
        continue;
      }
      ++either;
      negative += value < 0;
    }
  }
  // Each about 6000 / 14 = 429 times, half of the signs negative: four
  // standard deviations.
  EXPECT_EQ(counts.size(), 14u);
  for (const auto& [name, count] : counts) EXPECT_NEAR(count, 429, 80) << name;
  EXPECT_NEAR(negative, either / 2.0, 2 * std::sqrt(either));
}

TEST(DrawPolicy, OfTrivialIsOneOperationOfAnyMagnitudeInTheWideRange) {
  std::map<std::string, int> counts;
  std::set<int> magnitudes;
  for (uint64_t key = 0; key < 6000; ++key) {
    ImageRandom random(1, 2, key);
    const auto steps = draw_policy(trivial_settings(), random);
    ASSERT_EQ(steps.size(), 1u);
    const auto& [row, value] = steps[0];
    ++counts[row->name];
    if (row->largest_trivial == 0) continue;
    const double magnitude = std::abs(value) / row->largest_trivial * 30;
    EXPECT_NEAR(magnitude, std::round(magnitude), 1e-9);
    magnitudes.insert(static_cast<int>(std::round(magnitude)));
  }
  EXPECT_EQ(counts.size(), 14u);
  for (const auto& [name, count] : counts) EXPECT_NEAR(count, 429, 80) << name;
  EXPECT_EQ(magnitudes.size(), 31u);  // 0 to 30
  EXPECT_EQ(*magnitudes.rbegin(), 30);
}

TEST(ApplyPolicy, DoesTheStepsInTheirOrder) {
  const ViewOperation& solarize = operation("solarize");
  const ViewOperation& posterize = operation("posterize");
  cv::Mat together = small_picture(), apart = small_picture(),
          reversed = small_picture();
  apply_policy({{&solarize, 200}, {&posterize, 4}}, together);
  solarize.apply(apart, 200);
  posterize.apply(apart, 4);
  apply_policy({{&posterize, 4}, {&solarize, 200}}, reversed);
  EXPECT_EQ(levels(together), levels(apart));
  EXPECT_NE(levels(together), levels(reversed));
}

}  // namespace
}  // namespace engraft
