#pragma once

#include <functional>
#include <opencv2/core.hpp>

#include "engraft/data/augment.h"
#include "engraft/data/image_folder.h"

namespace engraft {

/// What training sees of a sample in an epoch: a function of the arguments
/// alone. Copies of a picture look alike. Throws as decode_image.
cv::Mat training_view(const Sample& sample, const AugmentSettings& settings,
                      const InputSpec& spec, uint64_t seed, int64_t epoch);

/// The same for the epochs [first, first + count) with one decoding.
void for_each_training_view(const Sample& sample,
                            const AugmentSettings& settings,
                            const InputSpec& spec, uint64_t seed, int64_t first,
                            int64_t count,
                            const std::function<void(const cv::Mat&)>& each);

}  // namespace engraft
