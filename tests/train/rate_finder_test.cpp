#include "engraft/train/rate_finder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace engraft {
namespace {

TEST(FindRate, RatesRiseByEqualFactors) {
  const auto curve = find_rate({1e-2, 1, 21}, [](double) { return 1.0; });
  ASSERT_EQ(curve.factors.size(), 21u);
  for (size_t i = 0; i < curve.factors.size(); ++i) {
    EXPECT_NEAR(curve.factors[i],
                1e-2 * std::pow(10, 0.1 * static_cast<double>(i)), 1e-9);
    EXPECT_NEAR(curve.losses[i], 1, 1e-12);
  }
  // A level loss suggests nothing else than the plan.
  EXPECT_EQ(curve.suggestion, 1);
}

TEST(FindRate, SuggestsWhereALogisticFallIsSteepest) {
  // 1 / (1 + (f / 0.3)^2) falls fastest over log f at f = 0.3; a step is a
  // factor of 1.12. The mean's steepest fall comes somewhat less late than its
  // lag, so that the suggestion is low by some steps, and never high.
  const auto curve = find_rate({1e-3, 1e2, 101}, [](double f) {
    return 0.1 + 1 / (1 + std::pow(f / 0.3, 2)) + (f > 20 ? f : 0);
  });
  EXPECT_LE(curve.suggestion, 0.3 * 1.12);
  EXPECT_GE(curve.suggestion, 0.3 / std::pow(1.12, 5));
  // Lost at 20 and more: the rest is not tried.
  EXPECT_LT(curve.factors.back(), 40);
}

TEST(FindRate, StaysATenthBelowTheLowestLoss) {
  // A cliff: nothing happens below 1, all at once.
  const auto curve = find_rate({1e-3, 1e2, 101}, [](double f) {
    return f < 1 ? 1.0 : f < 2 ? 0.5 : 0.5 * f;
  });
  const size_t lowest = static_cast<size_t>(
      std::ranges::min_element(curve.losses) - curve.losses.begin());
  EXPECT_LE(curve.suggestion, curve.factors[lowest] / 10 * 1.0001);
}

TEST(FindRate, EndsWhereTheLossIsNoNumber) {
  const auto curve = find_rate({1e-3, 1e2, 100}, [](double f) {
    return f > 1 ? std::numeric_limits<double>::quiet_NaN() : 2 - f;
  });
  EXPECT_LE(curve.factors.back(), 1);
  EXPECT_GT(curve.factors.size(), 50u);
}

}  // namespace
}  // namespace engraft
