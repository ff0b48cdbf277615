#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace engraft {

/// Changes that turn one word into the other: letters inserted, dropped,
/// replaced, or two neighbours swapped (Damerau 1964, restricted form).
int64_t edit_distance(std::string_view a, std::string_view b);

/// The names that somebody who typed `name` may have meant, nearest first, at
/// most `count`: within half of its length, or beginning with it. Letter case
/// does not count.
std::vector<std::string> nearest_names(const std::string& name,
                                       const std::vector<std::string>& names,
                                       size_t count = 1);

/// "; did you mean 'epochs'?", or "" when nothing is near.
std::string did_you_mean(const std::string& name,
                         const std::vector<std::string>& names);

}  // namespace engraft
