#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engraft/data/augment.h"
#include "engraft/data/image_folder.h"
#include "engraft/model/input_spec.h"

namespace engraft {

struct LoaderOptions {
  InputSpec input;
  /// Set: random views, in shuffled order. Unset: evaluation views, in the
  /// order of the samples.
  std::optional<AugmentSettings> augment;
  /// Random views a picture, made of one decoding: those of the epochs from
  /// the one begun on.
  int64_t views = 1;
  bool shuffle = true;  ///< random views too in the order of the samples: no
  int64_t crops = 1;    ///< evaluation views of a scale: 1, 5 or 10
  std::vector<double> scales{1};  ///< of evaluation views
  int64_t batch_size = 32;
  int64_t threads = 0;  ///< 0: one a core
  /// Batches held ahead of the consumer at most; fewer when they would take
  /// more than 256 MiB.
  int64_t prefetch = 4;
  uint64_t seed = 0;
  /// A picture that does not decode is reported in Batch::unreadable instead
  /// of being thrown.
  bool keep_going = false;
};

struct Batch {
  /// float32 [N, 3, H, W], or [N, V, 3, H, W] when there are V > 1 views or
  /// crops; normalised, CPU, contiguous.
  torch::Tensor images;
  torch::Tensor labels;          ///< int64 [N]
  std::vector<int64_t> indices;  ///< positions in the loader's samples, [N]
  /// With keep_going: pictures of this batch that do not decode (their rows
  /// are absent from images, labels and indices).
  struct Unreadable {
    int64_t index;
    std::string message;
  };
  std::vector<Unreadable> unreadable;
};

/// The order in which a shuffling loader of `count` samples goes through them.
std::vector<int64_t> epoch_order(int64_t count, uint64_t seed, int64_t epoch);

/// Decodes and augments on threads ahead of one consumer, holding a bounded
/// number of batches. What it yields depends on (seed, epoch, sample content
/// and position), never on threads or timing. May be destroyed mid-epoch.
///
/// A batch belongs to the caller: its memory is used again only after every
/// tensor that shares it is gone. Switches OpenCV's own threads off for the
/// process. One consumer thread.
class Loader {
 public:
  /// `samples` must outlive the loader.
  Loader(const std::vector<Sample>& samples, LoaderOptions options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Drops what is left of the last epoch. Before the first call there is
  /// nothing to load.
  void start_epoch(int64_t epoch);
  /// Blocks. nullopt at the end of the epoch. Rethrows what a worker threw:
  /// Error(Fault::data) names the file that would not decode; the epoch is
  /// over then.
  std::optional<Batch> next();

  int64_t num_samples() const;
  int64_t num_batches() const;
  /// Seconds that `next` has waited for data since construction.
  double seconds_waited() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace engraft
