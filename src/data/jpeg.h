#pragma once

#include <opencv2/core.hpp>
#include <optional>
#include <string>

#include "data/bytes.h"

namespace engraft {

/// Decodes a JPEG that inspect_container found whole to uint8 RGB
/// [ceil(H / factor), ceil(W / factor)] (CV_8UC3), grey repeated, orientation
/// as stored. factor  1, 2, 4 or 8.
///
/// libjpeg-turbo with the accurate transform and smooth upsampling: the pixels
/// of cv::imdecode, without its turn through another order of colours. Nothing
/// for what it does not take (four inks, unusual sampling, damage that stops
/// it). Throws Error(Fault::data) where it would go on with grey or with noise.
/// Any thread.
std::optional<cv::Mat> decode_jpeg(Bytes bytes, int factor);

/// Throws Error(Fault::data) when libjpeg's warnings tell of such damage.
void refuse_jpeg_damage(const std::string& warnings);

}  // namespace engraft
