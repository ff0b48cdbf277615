#pragma once

#include <cmath>
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

/// To two digits, as one would type it.
inline double rounded(double value) {
  // Over a whole power of ten, so that a rate is the number that is printed.
  const double scale = std::pow(10, 1 - std::floor(std::log10(value)));
  return std::round(value * scale) / scale;
}

}  // namespace engraft
