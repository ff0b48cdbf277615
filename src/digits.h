#pragma once

#include <iomanip>
#include <sstream>
#include <string>

namespace engraft {

/// With so many digits behind the point.
inline std::string spelled(double value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value;
  return out.str();
}

/// As many digits as tell on which side of the border a value is that is not
/// on it, `least` to `most`.
inline int telling_digits(double value, double border, int least, int most) {
  int digits = least;
  while (digits < most && value != border &&
         spelled(value, digits) == spelled(border, digits))
    ++digits;
  return digits;
}

/// Of four significant digits: "0.001", "1.5e-05".
inline std::string brief(double value) {
  std::ostringstream out;
  out << std::setprecision(4) << value;
  return out.str();
}

/// As it is read from there.
inline double as_brief(double value) { return std::stod(brief(value)); }

}  // namespace engraft
