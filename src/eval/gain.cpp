#include "engraft/eval/gain.h"

#include <algorithm>
#include <cmath>

namespace engraft {

double mcnemar_exact(int64_t won, int64_t lost) {
  const auto n = static_cast<double>(won + lost);
  const auto log_factorial = [](double k) { return std::lgamma(k + 1); };
  double tail = 0;  // P(X <= min(won, lost)), X ~ B(n, 1/2)
  for (int64_t i = 0; i <= std::min(won, lost); ++i) {
    const auto k = static_cast<double>(i);
    tail += std::exp(log_factorial(n) - log_factorial(k) -
                     log_factorial(n - k) - n * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

Gain compare_paired(const torch::Tensor& ensemble,
                    const torch::Tensor& member) {
  const auto count = [](const torch::Tensor& which) {
    return which.sum().item<int64_t>();
  };
  Gain out;
  out.won = count(ensemble & ~member);
  out.lost = count(member & ~ensemble);
  out.top1 = static_cast<double>(out.won - out.lost) /
             static_cast<double>(std::max<int64_t>(ensemble.numel(), 1));
  out.p_value = mcnemar_exact(out.won, out.lost);
  return out;
}

Json to_json(const Gain& gain) {
  return {{"best_member", gain.best},
          {"top1", gain.top1},
          {"won", gain.won},
          {"lost", gain.lost},
          {"p_value", gain.p_value}};
}

}  // namespace engraft
