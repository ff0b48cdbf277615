#pragma once

#include <opencv2/core.hpp>

#include "engraft/data/augment.h"

namespace engraft {

/// Random erasing (Zhong et al. 2020, algorithm 1): fills a rectangle of
/// uint8 RGB, in place. Its share of the area is uniform in [0.02, 0.33], its
/// aspect log-uniform in [0.3, 1 / 0.3], its place uniform among those inside;
/// ten draws that do not fit leave the view as it is. It is filled with the
/// paper's random values (RE-R): each level of each pixel uniform in [0, 255].
void erase_rectangle(cv::Mat& view, ImageRandom& random);

}  // namespace engraft
