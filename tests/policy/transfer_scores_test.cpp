#include "engraft/policy/transfer_scores.h"

#include <gtest/gtest.h>

#include <cmath>

namespace engraft {
namespace {

struct Set {
  torch::Tensor features, labels;
};

Set blobs(int64_t rows, int64_t width, double spread) {
  auto generator = at::detail::createCPUGenerator(3);
  const auto labels = torch::arange(rows).remainder(3);
  const auto centres = torch::randn({3, width}, generator, torch::kDouble);
  return {centres.index_select(0, labels) +
              spread * torch::randn({rows, width}, generator, torch::kDouble),
          labels};
}

/// The log density of y under N(0, I / beta + F F^T / alpha), by a Cholesky
/// factor of that matrix.
double marginal(const torch::Tensor& f, const torch::Tensor& y, double alpha,
                double beta) {
  const auto n = f.size(0);
  const auto covariance =
      torch::eye(n, torch::kDouble) / beta + f.matmul(f.t()) / alpha;
  const auto root = at::linalg_cholesky(covariance);
  const auto z = at::linalg_solve_triangular(root, y.unsqueeze(1), false);
  return -0.5 * z.square().sum().item<double>() -
         root.diagonal().log().sum().item<double>() -
         0.5 * static_cast<double>(n) * std::log(2 * M_PI);
}

/// The mean over classes of the largest density on a grid of precisions.
double on_a_grid(const Set& set) {
  double sum = 0;
  for (int c = 0; c < 3; ++c) {
    const auto y = set.labels.eq(c).to(torch::kDouble);
    double best = -INFINITY;
    for (double a = -3; a <= 7; a += 0.25)
      for (double b = -1; b <= 7; b += 0.25)
        best =
            std::max(best, marginal(set.features, y, std::exp(a), std::exp(b)));
    sum += best;
  }
  return sum / static_cast<double>(3 * set.labels.size(0));
}

TEST(LogMe, IsTheEvidenceAtItsMaximum) {
  for (const int64_t width : {5, 60}) {  // fewer and more than pictures
    const Set set = blobs(40, width, 1.0);
    const double score = log_me(set.features, set.labels, 3);
    EXPECT_NEAR(score, on_a_grid(set), 5e-3) << width;
  }
}

TEST(LogMe, IsHigherForFeaturesThatTellClassesApart) {
  const Set clear = blobs(90, 8, 0.5), blurred = blobs(90, 8, 5);
  EXPECT_GT(log_me(clear.features, clear.labels, 3),
            log_me(blurred.features, blurred.labels, 3) + 0.1);
}

TEST(Leep, IsTheSumOverOldClasses) {
  const auto p = torch::tensor(
      {{0.7, 0.2, 0.1}, {0.6, 0.3, 0.1}, {0.1, 0.1, 0.8}, {0.2, 0.5, 0.3}},
      torch::kDouble);
  const std::vector<int64_t> y{0, 0, 1, 1};
  const auto at = p.accessor<double, 2>();
  double expected = 0;
  for (int i = 0; i < 4; ++i) {
    double likelihood = 0;
    for (int z = 0; z < 3; ++z) {
      double with_label = 0, all = 0;
      for (int j = 0; j < 4; ++j) {
        all += at[j][z];
        if (y[j] == y[i]) with_label += at[j][z];
      }
      likelihood += with_label / all * at[i][z];
    }
    expected += std::log(likelihood) / 4;
  }
  EXPECT_NEAR(leep(p, torch::tensor(y), 2), expected, 1e-12);
}

}  // namespace
}  // namespace engraft
