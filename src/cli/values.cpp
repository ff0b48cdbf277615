#include "cli/values.h"

#include <cmath>
#include <sstream>

namespace engraft::cli {
namespace {

constexpr double kUnreachable = 1e15;

}  // namespace

std::string describe_default(double number) {
  std::ostringstream out;
  out << number;
  return out.str();
}

std::string describe_default(const NumberList& list) {
  std::string out;
  for (const double number : list.values)
    out.append(out.empty() ? "" : ",").append(describe_default(number));
  return out;
}

std::string describe(const Range& range) {
  const auto number = [](double value) {
    std::ostringstream out;
    out.precision(15);
    out << value;
    return out.str();
  };
  if (range.max >= kUnreachable)
    return range.min <= -kUnreachable ? "" : "at least " + number(range.min);
  return number(range.min) + " to " + number(range.max);
}

}  // namespace engraft::cli
