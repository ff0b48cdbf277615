#pragma once

#include <cstdint>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "engraft/model/input_spec.h"
#include "engraft/options.h"

namespace engraft {

/// Random views of a training picture, all strengths resolved.
struct AugmentSettings {
  AugmentStrength strength = AugmentStrength::standard;
  double crop_area_min = 0.25, crop_area_max = 1.0;  ///< share of the picture
  double crop_aspect = 4.0 / 3;  ///< aspect ratio in [1/x, x], log-uniform
  double brightness = 0.2, contrast = 0.2, saturation = 0.2;  ///< factor 1 +- x
  double hue = 0.02;           ///< shift +- x, as a share of the colour circle
  double pca = 0.0;            ///< sigma of AlexNet's colour offset
  double rotation = 0.0;       ///< degrees, uniform in +- x
  bool flip = true;            ///< mirror with probability 1/2
  bool vertical_flip = false;  ///< top to bottom, with probability 1/2
  bool right_angles = false;   ///< turn by a random multiple of 90 degrees
  AugmentPolicy policy = AugmentPolicy::none;
  int64_t policy_operations = 2;  ///< of rand
  int64_t policy_magnitude = 9;   ///< of rand, of 30
  double erase = 0;               ///< probability of random erasing
};

/// The strength's row of the table, with the options that were set over it.
/// `none` is the evaluation's centre crop, not mirrored either. A policy takes
/// the place of the strength's rotation and colours, as in the policies' own
/// recipes.
AugmentSettings augment_settings(AugmentStrength strength,
                                 const AugmentOptions& options);

/// Whether two views of one picture can differ.
bool is_random(const AugmentSettings& settings);

/// strength, crop_area, crop_aspect, brightness, contrast, saturation, hue,
/// pca, rotation, flip; and of vertical_flip, right_angles, policy (with
/// policy_operations and policy_magnitude where it is rand) and erase those
/// that are on.
Json to_json(const AugmentSettings& settings);

/// Counter-based random numbers: a pure function of (seed, epoch, image), so
/// that threads, batches and order change nothing.
class ImageRandom {
 public:
  ImageRandom(uint64_t seed, uint64_t epoch, uint64_t image);
  double uniform();                         ///< in [0, 1)
  double uniform(double low, double high);  ///< in [low, high)
  double normal();                          ///< mean 0, variance 1

 private:
  uint64_t key_, counter_ = 0;
};

/// Shorter side that a decoded picture needs so that random crops of middling
/// area still have the input's resolution; for decode_image's min_side. 0,
/// which is exact, when crops are not random. What is done to the finished view
/// (mirror, right angles, policy, erasing) enlarges nothing and needs no more.
int64_t needed_side(const AugmentSettings& settings, const InputSpec& spec);

/// One random view, uint8 RGB spec.crop x spec.crop:
/// rotation, random resized crop (Szegedy et al. 2015), mirror, vertical
/// mirror, right angle, colour jitter in random order, PCA colour offset
/// (Krizhevsky et al. 2012, sec. 4.1), RandAugment (Cubuk et al. 2020) or
/// TrivialAugment Wide (Mueller and Hutter 2021), random erasing (Zhong et al.
/// 2020). With crop_area_min = 1 the crop is the evaluation's centre crop. What
/// is off draws no random number, so that the others stay as they are without
/// it. `image` is left as it is.
cv::Mat random_view(const cv::Mat& image, const AugmentSettings& settings,
                    const InputSpec& spec, ImageRandom& random);

}  // namespace engraft
