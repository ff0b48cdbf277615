#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace engraft {

/// Index of the model's class for each name of DATA. A name means a class when
/// it is its whole name, or else one of its comma-separated synonyms, without
/// regard to letter case and with '_' for spaces.
/// Throws Error(Fault::data), beginning with `data`: no class, more than one
/// class, or two names for the same class.
std::vector<int64_t> match_classes(const std::string& data,
                                   const std::vector<std::string>& names,
                                   const std::vector<std::string>& classes);

}  // namespace engraft
