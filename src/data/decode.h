#pragma once

#include <opencv2/core.hpp>

#include "data/bytes.h"

namespace engraft {

/// decode_image for a file that is in memory. Its errors hold the reason
/// alone, for the caller to put the path in front.
cv::Mat decode_bytes(Bytes bytes, int64_t min_side);

}  // namespace engraft
