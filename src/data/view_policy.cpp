#include "data/view_policy.h"

#include <cmath>

#include "data/colour.h"
#include "data/tone.h"
#include "data/warp.h"

namespace engraft {
namespace {

constexpr double kMagnitudes = 30;  // of both papers

int rounded(double value) { return static_cast<int>(std::lround(value)); }

void scale_contrast(cv::Mat& view, double value) {
  ColourChange change;
  change.scale_contrast(1 + value, mean_colour(view));
  change.apply(view);
}

void scale_brightness(cv::Mat& view, double value) {
  ColourChange change;
  change.scale_brightness(1 + value);
  change.apply(view);
}

void scale_saturation(cv::Mat& view, double value) {
  ColourChange change;
  change.scale_saturation(1 + value);
  change.apply(view);
}

constexpr ViewOperation kOperations[] = {
    {"identity", [](cv::Mat&, double) {}, 0, 0, false},
    {"shear-x", [](cv::Mat& view, double v) { view = sheared(view, v, 0); },
     0.3, 0.99, true},
    {"shear-y", [](cv::Mat& view, double v) { view = sheared(view, 0, v); },
     0.3, 0.99, true},
    {"translate-x",
     [](cv::Mat& view, double v) { view = translated(view, v, 0); },
     150.0 / 331, 32.0 / 224, true},
    {"translate-y",
     [](cv::Mat& view, double v) { view = translated(view, 0, v); },
     150.0 / 331, 32.0 / 224, true},
    {"rotate", [](cv::Mat& view, double v) { view = rotated(view, v); }, 30,
     135, true},
    {"brightness", scale_brightness, 0.9, 0.99, true},
    {"colour", scale_saturation, 0.9, 0.99, true},
    {"contrast", scale_contrast, 0.9, 0.99, true},
    {"sharpness", [](cv::Mat& view, double v) { scale_sharpness(view, 1 + v); },
     0.9, 0.99, true},
    {"posterize",
     [](cv::Mat& view, double v) { posterize(view, 8 - rounded(v)); }, 4, 6,
     false},
    {"solarize",
     [](cv::Mat& view, double v) { solarize(view, 256 - rounded(v)); }, 256,
     256, false},
    {"autocontrast", [](cv::Mat& view, double) { autocontrast(view); }, 0, 0,
     false},
    {"equalize", [](cv::Mat& view, double) { equalize(view); }, 0, 0, false},
};

}  // namespace

std::span<const ViewOperation> view_operations() { return kOperations; }

std::vector<PolicyStep> draw_policy(const AugmentSettings& settings,
                                    ImageRandom& random) {
  const bool rand = settings.policy == AugmentPolicy::rand;
  int64_t count = rand ? settings.policy_operations : 1;
  if (settings.policy == AugmentPolicy::none) count = 0;
  const auto choice = [&](double among) {
    return std::floor(random.uniform() * among);
  };
  std::vector<PolicyStep> steps;
  for (int64_t i = 0; i < count; ++i) {
    const ViewOperation& operation =
        kOperations[static_cast<size_t>(choice(std::size(kOperations)))];
    const double magnitude =
        rand ? static_cast<double>(settings.policy_magnitude)
             : choice(kMagnitudes + 1);
    double value = magnitude / kMagnitudes *
                   (rand ? operation.largest_rand : operation.largest_trivial);
    if (operation.either_sign && random.uniform() < 0.5) value = -value;
    steps.push_back({&operation, value});
  }
  return steps;
}

void apply_policy(const std::vector<PolicyStep>& steps, cv::Mat& view) {
  for (const auto& [operation, value] : steps) operation->apply(view, value);
}

}  // namespace engraft
