#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engraft/data/loader.h"
#include "engraft/features/activations.h"
#include "engraft/model/prefix.h"

namespace engraft {

/// Mini-batches of what the frozen blocks give for pictures, epoch by epoch:
/// out of Activations that are prepared, or made anew from pictures. Both are
/// the same pictures in the same order.
class Batches {
 public:
  struct Batch {
    torch::Tensor x;       ///< float32 [N, ...]
    torch::Tensor labels;  ///< int64 [N], CPU
  };

  /// views  that were prepared; 0 for the evaluation view
  /// `samples` and `kept` must outlive it; options as for a Loader.
  Batches(const std::vector<Sample>& samples, const LoaderOptions& options,
          Activations& kept, int64_t views);
  /// prefix  the frozen blocks, or null where there are none: x are images
  Batches(const std::vector<Sample>& samples, const LoaderOptions& options,
          FrozenPrefix* prefix);

  /// Epochs count from 1.
  void start_epoch(int64_t epoch);
  std::optional<Batch> next();

  int64_t num_samples() const { return std::ssize(samples_); }
  int64_t num_batches() const;
  /// Seconds that `next` has waited for pictures.
  double seconds_waited() const;

 private:
  const std::vector<Sample>& samples_;
  const LoaderOptions options_;
  Activations* kept_ = nullptr;
  FrozenPrefix* prefix_ = nullptr;
  std::unique_ptr<Loader> loader_;
  int64_t views_ = 0, view_ = -1, at_ = 0;
  std::vector<int64_t> order_;
};

}  // namespace engraft
