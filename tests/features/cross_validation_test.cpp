#include "engraft/features/cross_validation.h"

#include <gtest/gtest.h>

namespace engraft {
namespace {

FeatureRows rows_of(const torch::Tensor& x) {
  return {x.size(0), x.size(1),
          [x](int64_t begin, int64_t end) { return x.slice(0, begin, end); }};
}

HeadProblem blobs(int64_t rows) {
  auto generator = at::detail::createCPUGenerator(7);
  HeadProblem out;
  out.classes = 3;
  out.labels = torch::arange(rows).remainder(3);
  const auto centres = torch::randn({3, 6}, generator);
  out.features = rows_of(centres.index_select(0, out.labels) +
                         torch::randn({rows, 6}, generator));
  out.pictures = torch::arange(rows);
  return out;
}

TEST(PredictHeldOut, ARowIsNotSeenByTheHeadThatPredictsIt) {
  // Labels without any sense in so many dimensions can be learned by heart,
  // and then tell nothing about others.
  auto generator = at::detail::createCPUGenerator(9);
  HeadProblem problem = blobs(90);
  problem.features = rows_of(torch::randn({90, 200}, generator));
  EXPECT_EQ(solve_head(problem, 1e-3).accuracy, 1);
  EXPECT_LT(predict_held_out(problem, 1e-3).accuracy, 0.5);
}

TEST(PredictHeldOut, FiguresAreThoseOfItsPredictions) {
  const HeadProblem problem = blobs(60);
  const HeldOut seen = predict_held_out(problem, 1.0);
  const auto right = seen.log_probabilities.argmax(1).eq(problem.labels);
  EXPECT_NEAR(seen.accuracy, right.to(torch::kDouble).mean().item<double>(),
              1e-12);
  EXPECT_NEAR(
      seen.loss,
      torch::nll_loss(seen.log_probabilities, problem.labels).item<double>(),
      1e-6);
  EXPECT_EQ(seen.learned, 48);
  // The trial of the same penalty comes to the same.
  for (const PenaltyTrial& trial : try_penalties(problem))
    if (std::abs(trial.l2 - 1) < 1e-9) {
      EXPECT_NEAR(trial.loss, seen.loss, 1e-3);
    }
}

TEST(TryPenalties, OfManyRowsLooksAtEveryClass) {
  // Labels come in turn, as every k-th row would have one only.
  const HeadProblem problem = blobs(9000);
  double best = 0;
  for (const PenaltyTrial& trial : try_penalties(problem))
    best = std::max(best, trial.accuracy);
  EXPECT_NEAR(best, predict_held_out(problem, 1.0).accuracy, 0.02);
  EXPECT_LT(best, 0.999);
}

TEST(PredictHeldOut, AShareLearnsFromFewerPictures) {
  const HeadProblem problem = blobs(300);
  const HeldOut quarter = predict_held_out(problem, 1.0, 0.25);
  EXPECT_NEAR(static_cast<double>(quarter.learned), 60, 4);
  EXPECT_GT(quarter.loss, predict_held_out(problem, 1.0).loss);
}

TEST(PredictHeldOut, OtherViewsGoToTheHeadThatHasNotSeenTheirPicture) {
  const HeadProblem problem = blobs(60);
  // The same rows in another order are predicted alike.
  const auto order = torch::arange(59, -1, -1);
  const OtherRows other{
      rows_of(problem.features.read(0, 60).index_select(0, order)), order};
  const HeldOut seen = predict_held_out(problem, 1.0, 1, {other});
  ASSERT_EQ(seen.others.size(), 1u);
  EXPECT_TRUE(torch::allclose(seen.others[0],
                              seen.log_probabilities.index_select(0, order),
                              1e-5, 1e-5));
}

}  // namespace
}  // namespace engraft
