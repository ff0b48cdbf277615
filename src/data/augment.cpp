#include "engraft/data/augment.h"

#include <algorithm>
#include <cmath>

#include "data/colour.h"
#include "data/erase.h"
#include "data/random_rectangle.h"
#include "data/view_policy.h"
#include "data/warp.h"
#include "engraft/data/crops.h"
#include "engraft/data/image.h"

namespace engraft {
namespace {

/// One row a strength, in the order of AugmentStrength.
constexpr AugmentSettings kStrengths[] = {
    {.strength = AugmentStrength::none,
     .crop_area_min = 1,
     .crop_aspect = 1,
     .brightness = 0,
     .contrast = 0,
     .saturation = 0,
     .hue = 0,
     .flip = false},
    {.strength = AugmentStrength::light,
     .crop_area_min = 0.5,
     .brightness = 0.1,
     .contrast = 0.1,
     .saturation = 0.1,
     .hue = 0},
    {.strength = AugmentStrength::standard},
    {.strength = AugmentStrength::strong,
     .crop_area_min = 0.08,
     .brightness = 0.4,
     .contrast = 0.4,
     .saturation = 0.4,
     .hue = 0.05,
     .pca = 0.1,
     .rotation = 10},
};

/// Window of a random resized crop; after ten misses the whole picture, cut to
/// the nearest aspect (Szegedy et al. 2015, as in torchvision).
cv::Rect random_window(const cv::Size& size, const AugmentSettings& settings,
                       ImageRandom& random) {
  const double limit = settings.crop_aspect;
  const auto window = random_rectangle(
      size, {settings.crop_area_min, settings.crop_area_max, limit}, random);
  if (window) return *window;
  const int width = std::clamp(
      static_cast<int>(std::lround(size.height * limit)), 1, size.width);
  const int height = std::clamp(
      static_cast<int>(std::lround(size.width * limit)), 1, size.height);
  return {(size.width - width) / 2, (size.height - height) / 2, width, height};
}

/// AlexNet's offset along the principal axes of ImageNet's colours. Standard
/// deviations and axes for RGB in [0, 1] as fb.resnet.torch's imagenet.lua
/// gives them.
ColourChange::Triple pca_offset(double sigma, ImageRandom& random) {
  constexpr double kSpread[3] = {0.2175, 0.0188, 0.0045};
  constexpr double kAxes[3][3] = {{-0.5675, 0.7192, 0.4009},
                                  {-0.5808, -0.0045, -0.8140},
                                  {-0.5836, -0.6948, 0.4203}};
  ColourChange::Triple offset{};
  for (size_t axis = 0; axis < 3; ++axis) {
    const double step = 255 * sigma * kSpread[axis] * random.normal();
    for (size_t c = 0; c < 3; ++c) offset[c] += step * kAxes[c][axis];
  }
  return offset;
}

bool changes_colours(const AugmentSettings& settings) {
  return settings.brightness > 0 || settings.contrast > 0 ||
         settings.saturation > 0 || settings.hue > 0 || settings.pca > 0;
}

void change_colours(cv::Mat& view, const AugmentSettings& settings,
                    ImageRandom& random) {
  const auto factor = [&](double spread) {
    return random.uniform(std::max(0.0, 1 - spread), 1 + spread);
  };
  std::array<int, 4> order{0, 1, 2, 3};
  for (int i = 3; i > 0; --i)
    std::swap(order[i], order[static_cast<int>(random.uniform() * (i + 1))]);
  ColourChange change;
  for (const int step : order) switch (step) {
      case 0:
        change.scale_brightness(factor(settings.brightness));
        break;
      case 1:
        change.scale_contrast(factor(settings.contrast), mean_colour(view));
        break;
      case 2:
        change.scale_saturation(factor(settings.saturation));
        break;
      default:
        change.turn_hue(random.uniform(-settings.hue, settings.hue));
    }
  if (settings.pca > 0) change.add(pca_offset(settings.pca, random));
  change.apply(view);
}

void leave_to_policy(AugmentSettings& settings) {
  settings.brightness = settings.contrast = settings.saturation = 0;
  settings.hue = settings.pca = settings.rotation = 0;
}

/// The random crop, or the evaluation's; its memory is the view's own.
cv::Mat crop_view(const cv::Mat& picture, const AugmentSettings& settings,
                  const InputSpec& spec, ImageRandom& random) {
  if (settings.crop_area_min >= 1)
    return evaluation_views(picture, spec, 1).front();
  const cv::Mat window =
      picture(random_window(picture.size(), settings, random));
  const cv::Mat view =
      resize_image(window, spec.crop, spec.crop, spec.interpolation);
  return view.data == window.data ? view.clone() : view;
}

cv::Mat mirrored(const cv::Mat& view, int axis) {
  cv::Mat out;
  cv::flip(view, out, axis);
  return out;
}

/// Of a square: exact.
cv::Mat turned(const cv::Mat& view, int quarters) {
  if (quarters == 0) return view;
  constexpr cv::RotateFlags kTurns[] = {cv::ROTATE_90_CLOCKWISE, cv::ROTATE_180,
                                        cv::ROTATE_90_COUNTERCLOCKWISE};
  cv::Mat out;
  cv::rotate(view, out, kTurns[quarters - 1]);
  return out;
}

}  // namespace

AugmentSettings augment_settings(AugmentStrength strength,
                                 const AugmentOptions& options) {
  AugmentSettings settings = kStrengths[static_cast<size_t>(strength)];
  if (options.policy != AugmentPolicy::none) leave_to_policy(settings);
  const auto put = [](const auto& option, auto& value) {
    if (option) value = *option;
  };
  put(options.crop_area, settings.crop_area_min);
  put(options.crop_aspect, settings.crop_aspect);
  put(options.brightness, settings.brightness);
  put(options.contrast, settings.contrast);
  put(options.saturation, settings.saturation);
  put(options.hue, settings.hue);
  put(options.pca, settings.pca);
  put(options.rotation, settings.rotation);
  settings.flip = settings.flip && options.flip;
  settings.vertical_flip = options.vertical_flip;
  settings.right_angles = options.right_angles;
  settings.policy = options.policy;
  put(options.policy_operations, settings.policy_operations);
  put(options.policy_magnitude, settings.policy_magnitude);
  settings.erase = options.erase;
  return settings;
}

bool is_random(const AugmentSettings& settings) {
  return settings.crop_area_min < 1 || settings.rotation > 0 || settings.flip ||
         settings.vertical_flip || settings.right_angles ||
         changes_colours(settings) || settings.policy != AugmentPolicy::none ||
         settings.erase > 0;
}

Json to_json(const AugmentSettings& settings) {
  Json out = {{"strength", std::string(name_of(settings.strength))},
              {"crop_area", {settings.crop_area_min, settings.crop_area_max}},
              {"crop_aspect", settings.crop_aspect},
              {"brightness", settings.brightness},
              {"contrast", settings.contrast},
              {"saturation", settings.saturation},
              {"hue", settings.hue},
              {"pca", settings.pca},
              {"rotation", settings.rotation},
              {"flip", settings.flip}};
  // Only what is on: this text is part of the names of kept activations, and
  // those of views without it stay good.
  if (settings.vertical_flip) out["vertical_flip"] = true;
  if (settings.right_angles) out["right_angles"] = true;
  if (settings.policy != AugmentPolicy::none)
    out["policy"] = std::string(name_of(settings.policy));
  if (settings.policy == AugmentPolicy::rand) {
    out["policy_operations"] = settings.policy_operations;
    out["policy_magnitude"] = settings.policy_magnitude;
  }
  if (settings.erase > 0) out["erase"] = settings.erase;
  return out;
}

int64_t needed_side(const AugmentSettings& settings, const InputSpec& spec) {
  if (settings.crop_area_min >= 1) return 0;
  // The middle of the areas, not the smallest: a half-size JPEG then costs a
  // little sharpness in the smallest crops alone.
  const double area = (settings.crop_area_min + settings.crop_area_max) / 2;
  return std::llround(static_cast<double>(spec.resize) / std::sqrt(area));
}

cv::Mat random_view(const cv::Mat& image, const AugmentSettings& settings,
                    const InputSpec& spec, ImageRandom& random) {
  cv::Mat picture = image;
  if (settings.rotation > 0)
    picture =
        rotated(image, random.uniform(-settings.rotation, settings.rotation));
  cv::Mat view = crop_view(picture, settings, spec, random);
  if (settings.flip && random.uniform() < 0.5) view = mirrored(view, 1);
  if (settings.vertical_flip && random.uniform() < 0.5)
    view = mirrored(view, 0);
  if (settings.right_angles)
    view = turned(view, static_cast<int>(random.uniform() * 4));
  if (changes_colours(settings)) change_colours(view, settings, random);
  apply_policy(draw_policy(settings, random), view);
  if (settings.erase > 0 && random.uniform() < settings.erase)
    erase_rectangle(view, random);
  return view;
}

}  // namespace engraft
