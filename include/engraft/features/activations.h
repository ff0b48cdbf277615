#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engraft/data/augment.h"
#include "engraft/data/image_folder.h"
#include "engraft/model/chain.h"
#include "engraft/model/prefix.h"
#include "engraft/options.h"

namespace engraft {

struct RowCacheOptions;

/// What an activation depends on besides its picture, and where it is kept.
struct ActivationOptions {
  InputSpec input;
  AugmentSettings augment;  ///< of random views
  uint64_t seed = 0;
  int64_t threads = 0;  ///< that decode
  InferenceKind inference = InferenceKind::automatic;
  int64_t pictures = 0;  ///< that will be run, about: see FrozenPrefix
  CacheOptions cache;
  /// Take f32 where the precision is open: what is not used again gains
  /// nothing from a small store.
  bool exact = false;
  /// Cuts: rows are what FrozenPrefix gives with them, [N, C], always f32.
  std::vector<int64_t> taps;
  std::string model, data;  ///< for people who look into the cache
};

/// How it went.
struct ActivationStats {
  int64_t found = 0, computed = 0, damaged = 0;  ///< rows
  int64_t row_bytes = 0;
  CachePrecision precision = CachePrecision::f32;
  /// Root mean square of what f16 changes in the head's output, over that of
  /// the output; negative when it was not measured.
  double f16_difference = -1;
  double seconds = 0;          ///< spent on computing rows
  double seconds_waiting = 0;  ///< of these, for decoded pictures
  std::string folder;          ///< "" when nothing outlives the process
  std::string trouble;         ///< why rows are not kept
  PrefixChoice prefix;
};

Json to_json(const ActivationStats& stats);

/// The outputs of the frozen blocks [0, cut) for views of pictures: each
/// computed once, kept in memory up to a budget and in files beyond it, and
/// found again by the next run with the same blocks, preprocessing and picture
/// bytes, whatever names and times are. Random view v of a picture is what
/// training sees in epoch v + 1: views as many as epochs are exactly the
/// pictures that training without a cache sees.
///
/// Kept as float16 when that changes what the classifier makes of the first
/// pictures by less than 1e-3 (root mean square) and overflows nowhere. The
/// chain must outlive it. One thread at a time.
class Activations {
 public:
  Activations(const BlockChain& chain, int64_t cut,
              const ActivationOptions& options);
  ~Activations();
  Activations(const Activations&) = delete;
  Activations& operator=(const Activations&) = delete;

  /// Starts from the rows of `lower`, which has a smaller cut and holds them,
  /// instead of from pictures.
  void start_from(Activations& lower);

  /// Takes rows that were computed elsewhere.
  /// rows  float32 [samples, ...], of one view; -1 is the evaluation view
  void add(const std::vector<Sample>& samples, const torch::Tensor& rows,
           int64_t view);

  /// Called with rows done and rows to do.
  using Progress = std::function<void(int64_t, int64_t)>;

  /// Computes the rows that are missing: random views [0, views), or the
  /// evaluation view for views = 0. `stop` is read between batches. Returns
  /// false when it ended there; what was computed is kept all the same.
  /// Throws as Loader does, and Error(Fault::io) when rows have no place.
  bool prepare(const std::vector<Sample>& samples, int64_t views,
               const Progress& progress = {},
               const std::function<bool()>& stop = {});

  /// Rows that prepare made, float32 [N, ...], on the CPU; four-dimensional
  /// ones channels-last. view -1 is the evaluation view.
  torch::Tensor read(const std::vector<Sample>& samples,
                     const std::vector<int64_t>& indices, int64_t view);

  int64_t cut() const;
  ActivationStats stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The folder that options.cache means; "" for none.
std::string cache_folder(const CacheOptions& options);

/// That folder with the options' limits.
RowCacheOptions row_cache_options(const CacheOptions& options);

}  // namespace engraft
