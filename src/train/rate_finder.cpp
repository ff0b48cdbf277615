#include "engraft/train/rate_finder.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace engraft {
namespace {

constexpr double kSmoothing = 0.9, kLost = 4;
// Of the curve's ends: the first means are of few losses, and behind the
// lowest one it only rises.
constexpr size_t kFirst = 10;
// The mean shows a change so many steps late: its weights' mean age,
// kSmoothing / (1 - kSmoothing). Taken as it stands the suggestion is three
// times too high (100 steps over five powers of ten).
constexpr size_t kLag = 9;
// How far to stay below the rate at which the loss was lowest, as the finder of
// fastai does.
constexpr double kBelowLowest = 10;

/// Slope over the two neighbours, per factor of e.
double slope(const RateCurve& curve, size_t i) {
  return (curve.losses[i + 1] - curve.losses[i - 1]) /
         std::log(curve.factors[i + 1] / curve.factors[i - 1]);
}

}  // namespace

RateCurve find_rate(const RateSearch& search,
                    const std::function<double(double factor)>& step) {
  RateCurve curve;
  double mean = 0, lowest = std::numeric_limits<double>::infinity();
  const double rise = search.highest / search.lowest;
  for (int64_t i = 0; i < search.steps; ++i) {
    const double share =
        static_cast<double>(i) /
        static_cast<double>(std::max<int64_t>(search.steps - 1, 1));
    const double factor = search.lowest * std::pow(rise, share);
    mean = kSmoothing * mean + (1 - kSmoothing) * step(factor);
    const double smoothed =
        mean / (1 - std::pow(kSmoothing, static_cast<double>(i + 1)));
    if (!std::isfinite(smoothed) || smoothed > kLost * lowest) break;
    lowest = std::min(lowest, smoothed);
    curve.factors.push_back(factor);
    curve.losses.push_back(smoothed);
  }
  const size_t size = curve.losses.size();
  const auto end = static_cast<size_t>(std::ranges::min_element(curve.losses) -
                                       curve.losses.begin());
  double steepest = 0;
  for (size_t i = kFirst; i < end && i + 1 < size; ++i)
    if (slope(curve, i) < steepest) {
      steepest = slope(curve, i);
      curve.suggestion = curve.factors[i - kLag];
    }
  if (steepest < 0)
    curve.suggestion =
        std::min(curve.suggestion, curve.factors[end] / kBelowLowest);
  return curve;
}

Json to_json(const RateCurve& curve) {
  return {{"stage", curve.stage},
          {"factors", curve.factors},
          {"losses", curve.losses},
          {"suggestion", curve.suggestion}};
}

}  // namespace engraft
