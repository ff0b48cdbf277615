#pragma once

#include <opencv2/core.hpp>
#include <span>
#include <vector>

#include "engraft/data/augment.h"

namespace engraft {

/// One operation of a policy on a view, uint8 RGB, in place. Its value at
/// magnitude m in [0, 1] is m times the policy's largest one.
///
/// value        what it does
/// shear        sheared by this many pixels a pixel off the middle; data/warp.h
/// translate    moved by this share of the side
/// rotate       degrees
/// brightness, colour, contrast, sharpness
///              the view is blended with black, with its grey levels, with its
///              mean grey and with itself smoothed:
///              (1 + value) * view - value * other; Pillow's ImageEnhance
/// posterize    8 - round(value) bits of each level are kept; data/tone.h
/// solarize     levels from 256 - round(value) on are inverted
///
/// At 0 these change nothing. identity, autocontrast and equalize have no
/// value.
struct ViewOperation {
  const char* name;
  void (*apply)(cv::Mat& view, double value);
  double largest_rand, largest_trivial;
  bool either_sign;  ///< the value is negated with probability 1/2
};

/// The operations of RandAugment with the ranges that torchvision gives both
/// policies, but for moves on x and y, which are shares of the side (of 331
/// and 224 pixels there), for solarize, whose threshold begins at 256 so that
/// magnitude 0 leaves white as it is, and for borders, which are reflected.
std::span<const ViewOperation> view_operations();

/// One operation to do.
struct PolicyStep {
  const ViewOperation* operation;
  double value;
};

/// rand: policy_operations operations, each any of them, at magnitude
/// policy_magnitude / 30 (Cubuk et al. 2020). trivial: one, at a magnitude
/// uniform among 0, 1/30, ..., 1, with the wide ranges (Mueller and Hutter
/// 2021). none: nothing, and no random number is drawn.
std::vector<PolicyStep> draw_policy(const AugmentSettings& settings,
                                    ImageRandom& random);

/// The steps in their order.
void apply_policy(const std::vector<PolicyStep>& steps, cv::Mat& view);

}  // namespace engraft
