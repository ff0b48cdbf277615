#include "engraft/features/head_solver.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <thread>

#include "features/lbfgs.h"

namespace engraft {
namespace {

/// Three Gaussian blobs in `features` dimensions of unequal scale, some rows
/// with a wrong label.
HeadProblem blobs(int64_t rows, int64_t features, double wrong) {
  auto generator = at::detail::createCPUGenerator(5);
  HeadProblem out;
  out.classes = 3;
  out.labels = torch::arange(rows).remainder(3);
  const auto centres = torch::randn({3, features}, generator);
  const auto x = (centres.index_select(0, out.labels) +
                  torch::randn({rows, features}, generator)) *
                     torch::logspace(-2, 2, features) +
                 3;
  const auto moved = torch::rand({rows}, generator) < wrong;
  out.labels = torch::where(moved, (out.labels + 1).remainder(3), out.labels);
  out.pictures = torch::arange(rows);
  out.features = {rows, features, [x](int64_t begin, int64_t end) {
                    return x.slice(0, begin, end);
                  }};
  return out;
}

/// Largest gradient entry of the whole objective, by autograd, at a solution
/// in standardised coordinates.
double gradient_by_autograd(const HeadProblem& problem,
                            const HeadSolution& solution, double l2) {
  const auto x =
      problem.features.read(0, problem.features.rows).to(torch::kDouble);
  const auto mean =
      problem.bias ? x.mean(0) : torch::zeros({x.size(1)}, torch::kDouble);
  const auto std = (x.square().mean(0) - mean.square()).sqrt();
  const auto z = (x - mean) / std;
  const auto raw = solution.weight.to(torch::kDouble);
  auto w = (raw * std).requires_grad_(true);
  auto b = (solution.bias + raw.matmul(mean)).detach().requires_grad_(true);
  const auto weights = problem.class_weights.defined()
                           ? problem.class_weights.to(torch::kDouble)
                           : torch::ones({problem.classes}, torch::kDouble);
  const auto total = weights.index_select(0, problem.labels).sum();
  auto loss = torch::cross_entropy_loss(
      torch::addmm(b, z, w.t()), problem.labels, weights, at::Reduction::Mean,
      -100, problem.label_smoothing);
  loss = loss + l2 / 2 * w.square().sum() / total;
  loss.backward();
  const double by_weight = w.grad().abs().max().item<double>();
  return problem.bias ? std::max(by_weight, b.grad().abs().max().item<double>())
                      : by_weight;
}

TEST(Lbfgs, FindsTheMinimumOfAQuadratic) {
  auto generator = at::detail::createCPUGenerator(1);
  const auto root = torch::randn({30, 30}, generator, torch::kDouble);
  const auto a = root.matmul(root.t()) + 0.1 * torch::eye(30, torch::kDouble);
  const auto b = torch::randn({30}, generator, torch::kDouble);
  auto x = torch::zeros({30}, torch::kDouble);
  LbfgsOptions options;
  options.gradient = 1e-10;
  options.gain = 0;
  minimise(
      [&](const torch::Tensor& at, torch::Tensor& out) {
        out.copy_(a.matmul(at) - b);
        return (0.5 * at.dot(a.matmul(at)) - b.dot(at)).item<double>();
      },
      x, options);
  const auto expected = torch::linalg_solve(a, b);
  EXPECT_TRUE(torch::allclose(x, expected, 1e-5, 1e-6));
}

TEST(HeadSolver, TheGradientIsZeroAtTheSolution) {
  const HeadProblem problem = blobs(300, 8, 0.2);
  for (const double l2 : {0.01, 1.0, 100.0}) {
    const auto solution = solve_head(problem, l2);
    EXPECT_LT(gradient_by_autograd(problem, solution, l2), 1e-4) << l2;
    EXPECT_EQ(solution.l2, l2);
    EXPECT_TRUE(solution.trials.empty());
  }
}

TEST(HeadSolver, SmoothingAndClassWeightsAreThoseOfCrossEntropy) {
  HeadProblem problem = blobs(300, 8, 0.2);
  problem.label_smoothing = 0.1;
  problem.class_weights = torch::tensor({0.5, 1.0, 3.0});
  const auto solution = solve_head(problem, 1.0);
  EXPECT_LT(gradient_by_autograd(problem, solution, 1.0), 1e-4);
}

TEST(HeadSolver, WorksWithoutABias) {
  HeadProblem problem = blobs(300, 8, 0.2);
  problem.bias = false;
  const auto solution = solve_head(problem, 1.0);
  EXPECT_EQ(solution.bias.abs().max().item<double>(), 0);
  EXPECT_LT(gradient_by_autograd(problem, solution, 1.0), 1e-4);
}

TEST(HeadSolver, ReadsInPartsWhatDoesNotFit) {
  const HeadProblem whole = blobs(9000, 6, 0.2);
  HeadProblem parts = whole;
  int64_t most = 0;
  parts.features.read = [&](int64_t begin, int64_t end) {
    most = std::max(most, end - begin);
    return whole.features.read(begin, end);
  };
  const auto a = solve_head(whole, 1.0), b = solve_head(parts, 1.0);
  EXPECT_TRUE(a.weight.equal(b.weight));
  EXPECT_LE(most, 4096);
  EXPECT_LT(gradient_by_autograd(whole, a, 1.0), 1e-4);
}

TEST(HeadSolver, ValidatesTheMoreStronglyTheLessThereIsToLearn) {
  const auto clear = solve_head(blobs(300, 8, 0), {});
  const auto noise = solve_head(blobs(90, 60, 0.66), {});
  EXPECT_LT(clear.l2, noise.l2);
  EXPECT_GT(clear.accuracy, 0.85);
  ASSERT_GE(clear.trials.size(), 3u);
  for (const PenaltyTrial& trial : clear.trials)
    EXPECT_GE(trial.loss + 1e-12,
              std::min_element(clear.trials.begin(), clear.trials.end(),
                               [](auto& a, auto& b) { return a.loss < b.loss; })
                  ->loss);
}

TEST(HeadSolver, HoldsOutPicturesNotViews) {
  // Labels without any sense: what is known of a picture's other view is the
  // only thing that helps, and it must not.
  HeadProblem problem = blobs(60, 100, 0.66);
  const auto x = problem.features.read(0, 60).repeat({2, 1});
  problem.features = {120, 100, [x](int64_t begin, int64_t end) {
                        return x.slice(0, begin, end);
                      }};
  problem.labels = problem.labels.repeat(2);
  problem.pictures = torch::arange(120);
  const auto leaky = solve_head(problem, {});
  problem.pictures = torch::arange(60).repeat(2);
  const auto honest = solve_head(problem, {});
  const auto least = [](const HeadSolution& s) {
    double out = 1e9;
    for (const PenaltyTrial& t : s.trials) out = std::min(out, t.loss);
    return out;
  };
  EXPECT_GT(least(honest), least(leaky) + 0.2);
}

TEST(HeadSolver, AsksWhetherToStopInItsCallersThread) {
  const auto here = std::this_thread::get_id();
  bool elsewhere = false;
  int64_t calls = 0;
  solve_head(blobs(300, 8, 0.2), {}, [&] {
    elsewhere |= std::this_thread::get_id() != here;
    ++calls;
    return false;
  });
  EXPECT_FALSE(elsewhere);
  EXPECT_GT(calls, 0);
}

TEST(HeadSolver, NumberOfThreadsChangesNoPenalty) {
  const HeadProblem problem = blobs(300, 8, 0.2);
  const int threads = at::get_num_threads();
  std::vector<HeadSolution> found;
  for (const int count : {1, 4}) {
    at::set_num_threads(count);
    found.push_back(solve_head(problem, {}));
  }
  at::set_num_threads(threads);
  ASSERT_EQ(found[0].trials.size(), found[1].trials.size());
  for (size_t i = 0; i < found[0].trials.size(); ++i)
    EXPECT_EQ(found[0].trials[i].loss, found[1].trials[i].loss) << i;
}

TEST(HeadSolver, StopsWhenAsked) {
  int calls = 0;
  const auto solution =
      solve_head(blobs(300, 8, 0.2), {}, [&] { return ++calls > 3; });
  EXPECT_EQ(solution.weight.sizes(), (std::vector<int64_t>{3, 8}));
  EXPECT_TRUE(solution.weight.isfinite().all().item<bool>());
}

}  // namespace
}  // namespace engraft
