#pragma once

#include <string>

#include "engraft/data/image_folder.h"

namespace engraft::cli {

/// What was found in DATA: classes, counts, split, what was left out.
std::string data_text(const ImageFolder& folder);

}  // namespace engraft::cli
