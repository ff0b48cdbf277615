#include "engraft/train/head_solver.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "train/lbfgs.h"

namespace engraft {
namespace {

// Little memory, however many rows there are.
constexpr int64_t kRowsAtOnce = 512;
constexpr int64_t kMostRowsToValidate = 4096;
constexpr int64_t kFolds = 5;
// Penalties in the unit of one picture's loss, strong to weak.
constexpr double kStrongest = 1e4, kWeakest = 1e-4;
const double kStep = std::sqrt(10.0);

/// What standardises features; fixed for all folds: it sees no label.
struct Scaling {
  torch::Tensor mean, factor;  ///< float64 [features]; factor = 1 / std
};

Scaling measure_scaling(const FeatureRows& rows, bool centre) {
  auto sum = torch::zeros({rows.features}, torch::kDouble);
  auto squares = torch::zeros_like(sum);
  for (int64_t i = 0; i < rows.rows; i += kRowsAtOnce) {
    const auto x =
        rows.read(i, std::min(i + kRowsAtOnce, rows.rows)).to(torch::kDouble);
    sum += x.sum(0);
    squares += x.square().sum(0);
  }
  const double n = static_cast<double>(std::max<int64_t>(rows.rows, 1));
  Scaling out;
  out.mean = centre ? sum / n : torch::zeros_like(sum);
  const auto std = (squares / n - out.mean.square()).clamp_min(0).sqrt();
  // A feature that never changes says nothing: weight 0.
  const auto least = 1e-6 * squares.div(n).sqrt().max();
  out.factor = torch::where(std > least, 1 / std, torch::zeros_like(std));
  return out;
}

/// W (standardised) and b as one vector, and as they work on x itself.
class Parameters {
 public:
  Parameters(const HeadProblem& problem, const Scaling& scaling)
      : classes_(problem.classes),
        features_(problem.features.features),
        bias_(problem.bias),
        scaling_(scaling) {}

  torch::Tensor zeros() const {
    return torch::zeros({classes_ * (features_ + (bias_ ? 1 : 0))},
                        torch::kDouble);
  }
  torch::Tensor weight(const torch::Tensor& x) const {
    return x.narrow(0, 0, classes_ * features_).view({classes_, features_});
  }
  torch::Tensor bias(const torch::Tensor& x) const {
    return bias_ ? x.narrow(0, classes_ * features_, classes_)
                 : torch::zeros({classes_}, torch::kDouble);
  }
  torch::Tensor raw_weight(const torch::Tensor& x) const {
    return (weight(x) * scaling_.factor).to(torch::kFloat);
  }
  torch::Tensor raw_bias(const torch::Tensor& x) const {
    const auto shift = (weight(x) * (scaling_.factor * scaling_.mean)).sum(1);
    return (bias(x) - (bias_ ? shift : torch::zeros_like(shift)))
        .to(torch::kFloat);
  }
  /// Gradient by W and b from sums over rows of G^T x and G.
  void gradient(const torch::Tensor& by_raw, const torch::Tensor& by_bias,
                torch::Tensor& out) const {
    const auto centred = by_raw - by_bias.unsqueeze(1) * scaling_.mean;
    weight(out).copy_(centred * scaling_.factor);
    if (bias_) bias(out).copy_(by_bias);
  }

 private:
  int64_t classes_, features_;
  bool bias_;
  const Scaling& scaling_;
};

/// Sums over the rows that take part.
struct Sums {
  double loss = 0, weight = 0;
  int64_t right = 0, rows = 0;
};

class Objective {
 public:
  Objective(const HeadProblem& problem, const Scaling& scaling)
      : problem_(problem), parameters_(problem, scaling) {
    class_weights_ = problem.class_weights.defined()
                         ? problem.class_weights.to(torch::kFloat)
                         : torch::ones({problem.classes}, torch::kFloat);
  }

  const Parameters& parameters() const { return parameters_; }

  /// taking_part  float32 [rows] of 0 and 1, or undefined for all rows.
  /// gradient     of the sum of losses, or null when only sums are wanted.
  Sums evaluate(const torch::Tensor& x, const torch::Tensor& taking_part,
                torch::Tensor* gradient) const {
    const auto w = parameters_.raw_weight(x), b = parameters_.raw_bias(x);
    auto by_raw = torch::zeros(w.sizes(), torch::kDouble);
    auto by_bias = torch::zeros({problem_.classes}, torch::kDouble);
    Sums sums;
    const int64_t all = problem_.features.rows;
    for (int64_t i = 0; i < all; i += kRowsAtOnce) {
      const int64_t n = std::min(kRowsAtOnce, all - i);
      const auto rows = problem_.features.read(i, i + n);
      const auto labels = problem_.labels.narrow(0, i, n);
      auto share = class_weights_.index_select(0, labels);
      if (taking_part.defined()) share = share * taking_part.narrow(0, i, n);
      const auto targets =
          target(labels, taking_part.defined() ? taking_part.narrow(0, i, n)
                                               : torch::Tensor());
      const auto logits = torch::addmm(b, rows, w.t());
      const auto log_p = logits.log_softmax(1);
      sums.loss -= (targets * log_p).sum(torch::kDouble).item<double>();
      sums.weight += share.sum(torch::kDouble).item<double>();
      if (gradient) {
        const auto g = targets.sum(1, true) * log_p.exp() - targets;
        by_raw += g.t().matmul(rows).to(torch::kDouble);
        by_bias += g.sum(0, false, torch::kDouble);
      } else {
        count(logits, labels, taking_part, i, sums);
      }
    }
    if (gradient) parameters_.gradient(by_raw, by_bias, *gradient);
    return sums;
  }

  /// The mean loss with the penalty, and its gradient.
  ConvexFunction penalised(const torch::Tensor& taking_part, double l2) const {
    return [this, taking_part, l2](const torch::Tensor& x, torch::Tensor& out) {
      const Sums sums = evaluate(x, taking_part, &out);
      const auto weight = parameters_.weight(x);
      parameters_.weight(out).add_(weight, l2);
      out.div_(sums.weight);
      return (sums.loss + l2 / 2 * weight.square().sum().item<double>()) /
             sums.weight;
    };
  }

 private:
  torch::Tensor target(const torch::Tensor& labels,
                       const torch::Tensor& taking_part) const {
    const double smooth = problem_.label_smoothing;
    auto out = torch::full({labels.size(0), problem_.classes},
                           smooth / static_cast<double>(problem_.classes));
    out.scatter_add_(1, labels.unsqueeze(1),
                     torch::full({labels.size(0), 1}, 1 - smooth));
    out.mul_(class_weights_);
    if (taking_part.defined()) out.mul_(taking_part.unsqueeze(1));
    return out;
  }

  static void count(const torch::Tensor& logits, const torch::Tensor& labels,
                    const torch::Tensor& taking_part, int64_t begin,
                    Sums& sums) {
    auto right = logits.argmax(1).eq(labels).to(torch::kFloat);
    if (taking_part.defined()) {
      const auto part = taking_part.narrow(0, begin, labels.size(0));
      right = right * part;
      sums.rows += part.sum().item<int64_t>();
    } else {
      sums.rows += labels.size(0);
    }
    sums.right += right.sum().item<int64_t>();
  }

  const HeadProblem& problem_;
  Parameters parameters_;
  torch::Tensor class_weights_;
};

/// Fold of every row, int64 [rows]: the pictures of a class are dealt out in
/// turn, in the order in which they come.
torch::Tensor deal_folds(const HeadProblem& problem) {
  auto out = torch::empty({problem.features.rows}, torch::kLong);
  const auto labels = problem.labels.contiguous();
  const auto pictures = problem.pictures.contiguous();
  std::map<int64_t, int64_t> of_picture, dealt;
  for (int64_t i = 0; i < problem.features.rows; ++i) {
    const int64_t picture = pictures.data_ptr<int64_t>()[i];
    const int64_t label = labels.data_ptr<int64_t>()[i];
    const auto [at, is_new] = of_picture.emplace(picture, 0);
    // Classes begin at different folds, so that small ones do not all miss
    // the same one.
    if (is_new) at->second = (label + dealt[label]++) % kFolds;
    out.data_ptr<int64_t>()[i] = at->second;
  }
  return out;
}

/// The problem on the first pictures of each class, in memory, when it has
/// many rows. Keeps whole pictures.
HeadProblem reduced(const HeadProblem& problem) {
  const int64_t rows = problem.features.rows;
  if (rows <= kMostRowsToValidate) return problem;
  // Every k-th picture: whatever order they come in, classes keep their
  // shares.
  const int64_t every = (rows + kMostRowsToValidate - 1) / kMostRowsToValidate;
  const auto kept = problem.pictures.remainder(every).eq(0).nonzero().flatten();
  const auto all = torch::empty({kept.numel(), problem.features.features});
  int64_t filled = 0;
  for (int64_t i = 0; i < rows; i += kRowsAtOnce) {
    const int64_t end = std::min(i + kRowsAtOnce, rows);
    const auto here = kept.masked_select(kept.ge(i) & kept.lt(end)) - i;
    if (here.numel() == 0) continue;
    all.narrow(0, filled, here.numel())
        .copy_(problem.features.read(i, end).index_select(0, here));
    filled += here.numel();
  }
  HeadProblem out = problem;
  out.features = {all.size(0), all.size(1), [all](int64_t begin, int64_t end) {
                    return all.slice(0, begin, end);
                  }};
  out.labels = problem.labels.index_select(0, kept);
  out.pictures = problem.pictures.index_select(0, kept);
  return out;
}

/// Walks the penalties from strong to weak on all folds at once.
std::vector<PenaltyTrial> cross_validate(const HeadProblem& whole,
                                         const std::function<bool()>& stop) {
  const HeadProblem problem = reduced(whole);
  const Scaling scaling = measure_scaling(problem.features, problem.bias);
  const Objective objective(problem, scaling);
  const torch::Tensor folds = deal_folds(problem);
  std::vector<torch::Tensor> held_out, learned, points;
  for (int64_t fold = 0; fold < kFolds; ++fold) {
    const auto out = folds.eq(fold).to(torch::kFloat);
    if (out.sum().item<double>() == 0) continue;
    held_out.push_back(out);
    learned.push_back(1 - out);
    points.push_back(objective.parameters().zeros());
  }
  LbfgsOptions rough;
  rough.iterations = 60;
  rough.gradient = 1e-4;
  rough.gain = 1e-5;
  std::vector<PenaltyTrial> trials;
  int rises = 0;
  double least = std::numeric_limits<double>::infinity();
  for (double l2 = kStrongest; l2 >= kWeakest && rises < 2; l2 /= kStep) {
    PenaltyTrial trial{l2, 0, 0};
    Sums sums;
    for (size_t fold = 0; fold < points.size(); ++fold) {
      minimise(objective.penalised(learned[fold], l2), points[fold], rough,
               stop);
      const Sums seen =
          objective.evaluate(points[fold], held_out[fold], nullptr);
      sums.loss += seen.loss;
      sums.weight += seen.weight;
      sums.right += seen.right;
      sums.rows += seen.rows;
    }
    if (stop && stop()) break;
    trial.loss = sums.loss / sums.weight;
    trial.accuracy =
        static_cast<double>(sums.right) / static_cast<double>(sums.rows);
    rises = trial.loss < least ? 0 : rises + 1;
    least = std::min(least, trial.loss);
    trials.push_back(trial);
  }
  return trials;
}

double best_penalty(const std::vector<PenaltyTrial>& trials) {
  double best = 1, least = std::numeric_limits<double>::infinity();
  for (const PenaltyTrial& trial : trials)
    if (trial.loss < least) {
      least = trial.loss;
      best = trial.l2;
    }
  return best;
}

}  // namespace

HeadSolution solve_head(const HeadProblem& problem, std::optional<double> l2,
                        const std::function<bool()>& stop) {
  torch::NoGradGuard no_grad;
  TORCH_CHECK(problem.features.rows > 0 &&
                  problem.labels.size(0) == problem.features.rows &&
                  problem.pictures.size(0) == problem.features.rows,
              "a head problem needs a label and a picture for every row");
  HeadSolution out;
  if (!l2) out.trials = cross_validate(problem, stop);
  out.l2 = l2 ? *l2 : best_penalty(out.trials);
  const Scaling scaling = measure_scaling(problem.features, problem.bias);
  const Objective objective(problem, scaling);
  torch::Tensor x = objective.parameters().zeros();
  LbfgsOptions exact;
  exact.gradient = 1e-6;
  exact.gain = 1e-7;
  out.iterations = minimise(objective.penalised({}, out.l2), x, exact, stop);
  const Sums sums = objective.evaluate(x, {}, nullptr);
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
