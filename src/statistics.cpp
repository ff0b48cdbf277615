#include "statistics.h"

#include <cmath>

namespace engraft {

double mcnemar_z(int64_t more, int64_t fewer) {
  if (more + fewer == 0) return 0;
  return static_cast<double>(more - fewer) /
         std::sqrt(static_cast<double>(more + fewer));
}

double mcnemar_z(const torch::Tensor& first, const torch::Tensor& second) {
  return mcnemar_z((second & first.logical_not()).sum().item<int64_t>(),
                   (first & second.logical_not()).sum().item<int64_t>());
}

double mean_over_error(const torch::Tensor& values) {
  const int64_t n = values.size(0);
  const double spread = n > 1 ? values.std().item<double>() : 0;
  if (spread <= 0) return 0;
  return values.mean().item<double>() /
         (spread / std::sqrt(static_cast<double>(n)));
}

}  // namespace engraft
