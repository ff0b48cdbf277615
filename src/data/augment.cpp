#include "engraft/data/augment.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "data/colour.h"
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

/// Window of a random resized crop: its area is a random share of the
/// picture, its aspect ratio log-uniform; after ten misses the whole picture,
/// cut to the nearest aspect (Szegedy et al. 2015, as in torchvision).
cv::Rect random_window(const cv::Size& size, const AugmentSettings& settings,
                       ImageRandom& random) {
  const double area = static_cast<double>(size.width) * size.height;
  const double stretch = std::log(settings.crop_aspect);
  const auto place = [&](int space) {
    return static_cast<int>(random.uniform() * (space + 1));
  };
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target =
        area * random.uniform(settings.crop_area_min, settings.crop_area_max);
    const double aspect = std::exp(random.uniform(-stretch, stretch));
    const int width = static_cast<int>(std::lround(std::sqrt(target * aspect)));
    const int height =
        static_cast<int>(std::lround(std::sqrt(target / aspect)));
    if (width < 1 || height < 1 || width > size.width || height > size.height)
      continue;
    const int x = place(size.width - width);
    return {x, place(size.height - height), width, height};
  }
  const double limit = settings.crop_aspect;
  const int width = std::clamp(
      static_cast<int>(std::lround(size.height * limit)), 1, size.width);
  const int height = std::clamp(
      static_cast<int>(std::lround(size.width * limit)), 1, size.height);
  return {(size.width - width) / 2, (size.height - height) / 2, width, height};
}

cv::Mat rotated(const cv::Mat& image, double degrees) {
  const cv::Point2f centre(static_cast<float>(image.cols - 1) / 2,
                           static_cast<float>(image.rows - 1) / 2);
  cv::Mat out;
  cv::warpAffine(image, out, cv::getRotationMatrix2D(centre, degrees, 1),
                 image.size(), cv::INTER_LINEAR, cv::BORDER_REFLECT_101);
  return out;
}

ColourChange::Triple mean_colour(const cv::Mat& image) {
  const cv::Scalar mean = cv::mean(image);
  return {mean[0], mean[1], mean[2]};
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

}  // namespace

AugmentSettings augment_settings(AugmentStrength strength,
                                 const AugmentOptions& options) {
  AugmentSettings settings = kStrengths[static_cast<size_t>(strength)];
  const auto put = [](const std::optional<double>& option, double& value) {
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
  return settings;
}

Json to_json(const AugmentSettings& settings) {
  return {{"strength", std::string(name_of(settings.strength))},
          {"crop_area", {settings.crop_area_min, settings.crop_area_max}},
          {"crop_aspect", settings.crop_aspect},
          {"brightness", settings.brightness},
          {"contrast", settings.contrast},
          {"saturation", settings.saturation},
          {"hue", settings.hue},
          {"pca", settings.pca},
          {"rotation", settings.rotation},
          {"flip", settings.flip}};
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
  cv::Mat view;
  if (settings.crop_area_min >= 1) {
    view = evaluation_views(picture, spec, 1).front();
  } else {
    const cv::Rect window = random_window(picture.size(), settings, random);
    view =
        resize_image(picture(window), spec.crop, spec.crop, spec.interpolation);
    if (view.data == picture(window).data) view = view.clone();
  }
  if (settings.flip && random.uniform() < 0.5) {
    cv::Mat mirrored;
    cv::flip(view, mirrored, 1);
    view = mirrored;
  }
  if (changes_colours(settings)) change_colours(view, settings, random);
  return view;
}

}  // namespace engraft
