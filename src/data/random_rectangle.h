#pragma once

#include <opencv2/core.hpp>
#include <optional>

#include "engraft/data/augment.h"

namespace engraft {

/// What a random rectangle may be.
struct RectangleRange {
  double area_min, area_max;  ///< share of the whole, uniform
  double aspect;              ///< width over height in [1/x, x], log-uniform
};

/// A rectangle inside of `size`, its place uniform. None when ten draws gave
/// only such as do not fit (as in torchvision's RandomResizedCrop).
std::optional<cv::Rect> random_rectangle(const cv::Size& size,
                                         const RectangleRange& range,
                                         ImageRandom& random);

}  // namespace engraft
