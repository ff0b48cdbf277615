#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace engraft {

/// Log of the mean of the models' probabilities for the same pictures. Each
/// log probabilities, float64 [N, C]; of one model they come back unchanged.
torch::Tensor log_mean(const std::vector<torch::Tensor>& log_probabilities);

/// The same over the first dimension: float64 [samples, N, C] -> [N, C].
torch::Tensor log_mean_of_samples(const torch::Tensor& log_probabilities);

/// log_mean of models that are tested one after the other: holds one float32
/// [pictures, C], whatever the number of models.
class MeanProbabilities {
 public:
  explicit MeanProbabilities(int64_t pictures) : pictures_(pictures) {}

  /// The next pictures' log probabilities, [n, C]; those of a model end before
  /// those of the next one begin.
  void add(const torch::Tensor& log_probabilities);

  bool empty() const { return !sums_.defined(); }
  /// float64 [count, C]. After the last picture of a model.
  torch::Tensor rows(int64_t begin, int64_t count) const;

 private:
  int64_t pictures_ = 0, models_ = 0;
  int64_t next_ = 0;    ///< picture
  torch::Tensor sums_;  ///< logs of the sums so far
};

}  // namespace engraft
