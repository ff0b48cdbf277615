#include "engraft/eval/gain.h"

#include <gtest/gtest.h>

namespace engraft {
namespace {

TEST(McNemar, IsTheBinomialTailOnBothSides) {
  // Sums of binomial coefficients over 2^n, twice.
  EXPECT_NEAR(mcnemar_exact(6, 0), 2.0 / 64, 1e-12);
  EXPECT_NEAR(mcnemar_exact(3, 1), 2.0 * (1 + 4) / 16, 1e-12);
  EXPECT_NEAR(mcnemar_exact(2, 10), 2.0 * (1 + 12 + 66) / 4096, 1e-12);
  EXPECT_EQ(mcnemar_exact(5, 5), 1.0);
  EXPECT_EQ(mcnemar_exact(0, 0), 1.0);
  EXPECT_EQ(mcnemar_exact(3, 1), mcnemar_exact(1, 3));
}

TEST(McNemar, OfManyPicturesIsWhatWholeNumbersGive) {
  // python3 -c 'from fractions import Fraction as F; from math import comb
  // print(float(2 * F(sum(comb(2300, k) for k in range(1101)), 2**2300)))'
  EXPECT_NEAR(mcnemar_exact(1200, 1100) / 0.03896685268382058, 1, 1e-8);
  // ... 20000, range(9801), 2**20000
  EXPECT_NEAR(mcnemar_exact(9800, 10200) / 0.004780889455902644, 1, 1e-8);
}

TEST(Gain, CountsThePicturesThatOneSideAloneHasRight) {
  const auto ensemble = torch::tensor({true, true, true, false, false, true});
  const auto member = torch::tensor({true, false, false, true, false, false});
  const Gain gain = compare_paired(ensemble, member);
  EXPECT_EQ(gain.won, 3);
  EXPECT_EQ(gain.lost, 1);
  EXPECT_NEAR(gain.top1, 4.0 / 6 - 2.0 / 6, 1e-12);
  EXPECT_NEAR(gain.p_value, 0.625, 1e-12);
  EXPECT_EQ(to_json(gain).dump(), R"({"best_member":0,"top1":)" +
                                      Json(gain.top1).dump() +
                                      R"(,"won":3,"lost":1,"p_value":)" +
                                      Json(gain.p_value).dump() + "}");
}

}  // namespace
}  // namespace engraft
