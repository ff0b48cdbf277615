#pragma once

#include <string>
#include <vector>

#include "engraft/data/image_folder.h"
#include "engraft/eval/options.h"

namespace engraft {

/// Names files that are not looked at and why, at most ten of them, and how
/// many more there are.
/// what  was done with them, as "left out"
void note_files(const std::vector<LeftOut>& files, const std::string& what,
                const EvalNote& note);

}  // namespace engraft
