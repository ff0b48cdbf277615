#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engraft/json.h"

namespace engraft {

/// A learning-rate range test (Smith 2017, sec. 3.3).
struct RateCurve {
  std::string stage;
  std::vector<double> factors;  ///< on the plan's rates, rising
  std::vector<double> losses;   ///< smoothed, one a factor
  /// Where the loss falls fastest over the logarithm of the factor, the lag of
  /// the smoothing taken off, and at most a tenth of where it is lowest; 1 when
  /// it falls nowhere.
  double suggestion = 1;
};

struct RateSearch {
  double lowest = 1e-3, highest = 1e2;
  int64_t steps = 100;
};

/// Takes steps with rates that rise exponentially from lowest to highest times
/// the plan's. The loss of each, as `step` returns it, is smoothed by a mean
/// that remembers about ten. Ends early when the smoothed loss is four times
/// its lowest or no number.
RateCurve find_rate(const RateSearch& search,
                    const std::function<double(double factor)>& step);

Json to_json(const RateCurve& curve);

}  // namespace engraft
