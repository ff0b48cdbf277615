#pragma once

#include <cstdint>
#include <vector>

#include "engraft/data/image_folder.h"

namespace engraft {

/// Training pictures of each class, copies counted once: [num_classes].
std::vector<int64_t> count_contents(const std::vector<Sample>& samples,
                                    int64_t num_classes);

/// Up to `most` of `samples`, evenly over the classes, each class in the order
/// of its pictures' content, so that paths do not matter. Copies count once.
std::vector<Sample> sample_evenly(const std::vector<Sample>& samples,
                                  int64_t num_classes, int64_t most);

}  // namespace engraft
