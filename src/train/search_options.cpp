#include <algorithm>
#include <stdexcept>

#include "engraft/train/search.h"

namespace engraft {

double parse_duration(const std::string& text) {
  size_t read = 0;
  double value = -1;
  try {
    value = std::stod(text, &read);
  } catch (const std::logic_error&) {
  }
  const std::string unit = text.substr(std::min(read, text.size()));
  const double factor = unit.empty() || unit == "s" ? 1
                        : unit == "m"               ? 60
                        : unit == "h"               ? 3600
                                                    : -1;
  if (!(value >= 0 && value < 1e9) || factor < 0)
    fail(Fault::usage, "--time: '", text,
         "' is no duration; write 90, 90s, 10m or 2h");
  return value * factor;
}

void SearchOptions::validate() const {
  check_ranges(search);
  train.validate();
  parse_duration(search.time);
  const SearchSpace space = make_space(search.space, search.tries);
  refuse_fixed(space, train);
  if (search.method != SearchMethod::grid) return;
  if (space.empty())
    fail(Fault::usage,
         "--method grid: say by --try or --space what to combine");
  grid(space);
}

}  // namespace engraft
