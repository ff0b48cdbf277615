#include "data/tone.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace engraft {
namespace {

constexpr int kLevels = 256;
using Counts = std::array<int64_t, kLevels>;
using Levels = std::array<uint8_t, kLevels>;  // the new one of each
constexpr size_t kColours = 3;

/// The same new levels for every colour.
template <typename Function>
std::array<Levels, kColours> for_all(const Function& new_level) {
  Levels levels;
  for (int level = 0; level < kLevels; ++level)
    levels[level] = static_cast<uint8_t>(new_level(level));
  return {levels, levels, levels};
}

void replace(cv::Mat& image, const std::array<Levels, kColours>& levels) {
  for (int y = 0; y < image.rows; ++y) {
    uint8_t* pixel = image.ptr<uint8_t>(y);
    for (int x = 0; x < image.cols; ++x, pixel += kColours)
      for (size_t c = 0; c < kColours; ++c) pixel[c] = levels[c][pixel[c]];
  }
}

/// New levels of each colour from how often its levels occur.
void replace_by_counts(cv::Mat& image, Levels (*levels_of)(const Counts&)) {
  std::array<Counts, kColours> counts{};
  for (int y = 0; y < image.rows; ++y) {
    const uint8_t* pixel = image.ptr<uint8_t>(y);
    for (int x = 0; x < image.cols; ++x, pixel += kColours)
      for (size_t c = 0; c < kColours; ++c) ++counts[c][pixel[c]];
  }
  replace(image,
          {levels_of(counts[0]), levels_of(counts[1]), levels_of(counts[2])});
}

int lowest(const Counts& counts) {
  int level = 0;
  while (counts[level] == 0) ++level;
  return level;
}

int highest(const Counts& counts) {
  int level = kLevels - 1;
  while (counts[level] == 0) --level;
  return level;
}

Levels unchanged() {
  Levels out;
  for (int level = 0; level < kLevels; ++level)
    out[level] = static_cast<uint8_t>(level);
  return out;
}

Levels stretched(const Counts& counts) {
  const int low = lowest(counts), high = highest(counts);
  Levels out = unchanged();
  for (int level = low; low < high && level <= high; ++level)
    out[level] = static_cast<uint8_t>(255 * (level - low) / (high - low));
  return out;
}

Levels equalized(const Counts& counts) {
  int64_t step = -counts[highest(counts)];
  for (const int64_t count : counts) step += count;
  step /= 255;
  Levels out = unchanged();
  if (step == 0) return out;
  int64_t below = step / 2;
  for (int level = 0; level < kLevels; ++level) {
    out[level] = static_cast<uint8_t>(std::min<int64_t>(below / step, 255));
    below += counts[level];
  }
  return out;
}

}  // namespace

void scale_sharpness(cv::Mat& image, double factor) {
  constexpr int kBits = 16;
  const auto fixed = [](double value) {
    return static_cast<int32_t>(std::lround(value * (1 << kBits)));
  };
  const int32_t around = fixed((1 - factor) / 13);
  const int32_t own = fixed(factor + (1 - factor) * 4 / 13);
  constexpr int32_t kHalf = 1 << (kBits - 1);
  const cv::Mat before = image.clone();
  for (int y = 1; y + 1 < image.rows; ++y) {
    const uint8_t* above = before.ptr<uint8_t>(y - 1);
    const uint8_t* row = before.ptr<uint8_t>(y);
    const uint8_t* below = before.ptr<uint8_t>(y + 1);
    uint8_t* out = image.ptr<uint8_t>(y);
    for (int i = 3; i < 3 * (image.cols - 1); ++i) {
      int32_t sum = 0;
      for (const int j : {i - 3, i, i + 3}) sum += above[j] + row[j] + below[j];
      const int32_t value = (own * row[i] + around * sum + kHalf) >> kBits;
      out[i] = static_cast<uint8_t>(std::clamp(value, 0, 255));
    }
  }
}

void posterize(cv::Mat& image, int bits) {
  replace(image, for_all([&](int level) { return level & (0xFF00 >> bits); }));
}

void solarize(cv::Mat& image, int threshold) {
  replace(image, for_all([&](int level) {
            return level < threshold ? level : 255 - level;
          }));
}

void autocontrast(cv::Mat& image) { replace_by_counts(image, stretched); }

void equalize(cv::Mat& image) { replace_by_counts(image, equalized); }

}  // namespace engraft
