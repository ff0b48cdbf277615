#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace engraft {

/// The first field of an option struct that is set though its family does not
/// use it; "" when there is none. A family is a row with `parameters`, the
/// flags that it uses; fields that no family uses are not looked at.
/// own       parameters of the family that was chosen
/// families  all of them
template <typename Options, typename Families>
std::string unused_flag(const Options& options,
                        const std::vector<std::string_view>& own,
                        const Families& families) {
  std::string out;
  Options::fields(options, [&](std::string_view name, const auto& value,
                               const char*, const auto&) {
    if constexpr (requires { value.has_value(); }) {
      const auto uses = [&](const auto& family) {
        return std::ranges::count(family.parameters, name) > 0;
      };
      if (out.empty() && value && !std::ranges::count(own, name) &&
          std::ranges::any_of(families, uses))
        out = "--" + std::string(name);
    }
  });
  return out;
}

}  // namespace engraft
