#include "eval/mean_probabilities.h"

#include <cmath>

namespace engraft {

torch::Tensor log_mean(const std::vector<torch::Tensor>& log_probabilities) {
  if (log_probabilities.size() == 1) return log_probabilities[0];
  return log_mean_of_samples(torch::stack(log_probabilities));
}

torch::Tensor log_mean_of_samples(const torch::Tensor& log_probabilities) {
  return log_probabilities.logsumexp(0) -
         std::log(static_cast<double>(log_probabilities.size(0)));
}

void MeanProbabilities::add(const torch::Tensor& log_probabilities) {
  const int64_t count = log_probabilities.size(0);
  if (empty()) sums_ = torch::empty({pictures_, log_probabilities.size(1)});
  TORCH_CHECK(next_ + count <= pictures_, "Rows ", next_, " to ", next_ + count,
              " of ", pictures_);
  auto rows = sums_.narrow(0, next_, count);
  rows.copy_(models_ == 0 ? log_probabilities
                          : torch::logaddexp(rows.to(torch::kFloat64),
                                             log_probabilities));
  next_ += count;
  if (next_ < pictures_) return;
  next_ = 0;
  ++models_;
}

torch::Tensor MeanProbabilities::rows(int64_t begin, int64_t count) const {
  TORCH_CHECK(models_ > 0 && next_ == 0, "A model's pictures are missing");
  return sums_.narrow(0, begin, count).to(torch::kFloat64) -
         std::log(static_cast<double>(models_));
}

}  // namespace engraft
