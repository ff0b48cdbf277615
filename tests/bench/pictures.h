#pragma once

#include <vector>

#include "engraft/data/image_folder.h"

namespace engraft::bench {

/// Pictures below $ENGRAFT_BENCH_DATA, at most 64; without it one JPEG of
/// 500 x 375 pixels. Never empty.
const std::vector<Sample>& pictures();

}  // namespace engraft::bench
