#pragma once

#include <string>

#include "engraft/model/surgery.h"

namespace engraft::cli {

/// What `engraft inspect MODEL` prints.
std::string inspection_text(const Inspection& inspection);

}  // namespace engraft::cli
