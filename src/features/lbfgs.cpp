#include "features/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <vector>

namespace engraft {
namespace {

double scalar_product(const torch::Tensor& a, const torch::Tensor& b) {
  return a.dot(b).item<double>();
}

/// Steps and gradient changes of the last iterations, as an inverse Hessian.
class History {
 public:
  explicit History(int64_t memory) : memory_(static_cast<size_t>(memory)) {}

  void add(const torch::Tensor& step, const torch::Tensor& change) {
    const double curvature = scalar_product(step, change);
    // Rounding can hide the curvature of a nearly flat function.
    if (!(curvature > 1e-12 * scalar_product(change, change))) return;
    if (pairs_.size() == memory_) pairs_.pop_front();
    pairs_.push_back({step, change, 1 / curvature});
  }

  /// Minus the inverse Hessian times the gradient (two-loop recursion).
  torch::Tensor direction(const torch::Tensor& gradient) const {
    torch::Tensor q = gradient.neg();
    std::vector<double> alphas(pairs_.size());
    for (size_t i = pairs_.size(); i-- > 0;) {
      alphas[i] = pairs_[i].scale * scalar_product(pairs_[i].step, q);
      q.sub_(pairs_[i].change, alphas[i]);
    }
    if (!pairs_.empty()) {
      const Pair& last = pairs_.back();
      q.mul_(1 / (last.scale * scalar_product(last.change, last.change)));
    }
    for (size_t i = 0; i < pairs_.size(); ++i)
      q.add_(pairs_[i].step,
             alphas[i] - pairs_[i].scale * scalar_product(pairs_[i].change, q));
    return q;
  }

  bool empty() const { return pairs_.empty(); }
  void clear() { pairs_.clear(); }

 private:
  struct Pair {
    torch::Tensor step, change;
    double scale;
  };
  size_t memory_;
  std::deque<Pair> pairs_;
};

}  // namespace

int64_t minimise(const ConvexFunction& f, torch::Tensor& x,
                 const LbfgsOptions& options,
                 const std::function<bool()>& stop) {
  constexpr double kArmijo = 1e-4;
  constexpr int kHalvings = 30;
  torch::NoGradGuard no_grad;
  History history(options.memory);
  torch::Tensor gradient = torch::empty_like(x);
  double value = f(x, gradient);
  int64_t flat = 0, iteration = 0;
  for (; iteration < options.iterations && flat < 2; ++iteration) {
    if (stop && stop()) break;
    if (gradient.abs().max().item<double>() < options.gradient) break;
    torch::Tensor direction = history.direction(gradient);
    double slope = scalar_product(direction, gradient);
    if (!(slope < 0)) {  // rounding spoiled the history: begin again
      history.clear();
      direction = gradient.neg();
      slope = -scalar_product(gradient, gradient);
    }
    // Without a history the gradient's length says nothing about the step's.
    double length = history.empty()
                        ? std::min(1.0, 1 / gradient.abs().sum().item<double>())
                        : 1.0;
    torch::Tensor next, next_gradient = torch::empty_like(x);
    double next_value = value;
    bool descended = false;
    for (int i = 0; i < kHalvings && !descended; ++i) {
      next = x + length * direction;
      next_value = f(next, next_gradient);
      descended = next_value <= value + kArmijo * length * slope;
      if (!descended) length /= 2;
    }
    if (!descended) break;  // at the minimum, as far as rounding lets see
    flat = value - next_value <= options.gain * std::abs(value) ? flat + 1 : 0;
    history.add(next - x, next_gradient - gradient);
    x.copy_(next);
    gradient = next_gradient;
    value = next_value;
  }
  return iteration;
}

}  // namespace engraft
