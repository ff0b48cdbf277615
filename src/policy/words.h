#pragma once

#include <iomanip>
#include <sstream>
#include <string>

namespace engraft {

/// The parts, one after the other, as they print.
template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// A share in percent, or a difference of shares in points, to one digit.
inline std::string points(double share) {
  return text(std::fixed, std::setprecision(1), 100 * share);
}

}  // namespace engraft
