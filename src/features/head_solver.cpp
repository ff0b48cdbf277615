#include "engraft/features/head_solver.h"

#include "engraft/features/cross_validation.h"
#include "features/head_objective.h"
#include "features/lbfgs.h"

namespace engraft {

HeadSolution solve_head(const HeadProblem& problem, std::optional<double> l2,
                        const std::function<bool()>& stop) {
  torch::NoGradGuard no_grad;
  TORCH_CHECK(problem.features.rows > 0 &&
                  problem.labels.size(0) == problem.features.rows &&
                  problem.pictures.size(0) == problem.features.rows,
              "a head problem needs a label and a picture for every row");
  HeadSolution out;
  if (!l2) out.trials = try_penalties(problem, stop);
  out.l2 = l2 ? *l2 : best_penalty(out.trials);
  const Scaling scaling = measure_scaling(problem.features, problem.bias);
  const HeadObjective objective(problem, scaling);
  torch::Tensor x = objective.parameters().zeros();
  LbfgsOptions exact;
  exact.gradient = 1e-6;
  exact.gain = 1e-7;
  out.iterations = minimise(objective.penalised({}, out.l2), x, exact, stop);
  const HeadSums sums = objective.evaluate(x, {}, nullptr);
  out.loss = sums.loss / sums.weight;
  out.accuracy =
      static_cast<double>(sums.right) / static_cast<double>(sums.rows);
  out.weight = objective.parameters().raw_weight(x).clone();
  out.bias = objective.parameters().raw_bias(x).clone();
  return out;
}

Json to_json(const HeadSolution& solution) {
  Json trials = Json::array();
  for (const PenaltyTrial& t : solution.trials)
    trials.push_back(
        {{"l2", t.l2}, {"loss", t.loss}, {"accuracy", t.accuracy}});
  return {{"l2", solution.l2},
          {"iterations", solution.iterations},
          {"loss", solution.loss},
          {"accuracy", solution.accuracy},
          {"cross_validation", trials}};
}

}  // namespace engraft
