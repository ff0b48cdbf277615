#pragma once

#include <torch/types.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "engraft/json.h"
#include "engraft/model/chain.h"
#include "engraft/options.h"

namespace engraft {

/// One way of computing the frozen part, as it was tried on real pictures.
struct PrefixTrial {
  InferenceKind kind = InferenceKind::plain;
  double milliseconds = 0;  ///< a picture; 0 when it was not timed
  /// Root mean square of the difference from `plain` over that of `plain`.
  double difference = 0;
  std::string refused;  ///< why it was not taken; "" for what may be used
};

/// Which way was taken, and what else was tried.
struct PrefixChoice {
  InferenceKind kind = InferenceKind::plain;
  std::vector<PrefixTrial> trials;
  /// "fused: 5.7 ms a picture, 2.0 times as fast as plain", for people.
  std::string text() const;
};

Json to_json(const PrefixChoice& choice);

/// The front of a classifier that does not move: blocks [0, end) of its chain
/// as one inference graph, in eval mode and without autograd. end =
/// BlockChain::kWhole is the whole model.
///
///   plain    the chain's own graph, channels-last
///   folded   batch norms folded into the convolutions
///   fused    the same, and oneDNN computes an activation and the addition of
///            a shortcut inside of the convolution before it
///   onednn   LibTorch's own conversion to oneDNN's memory layout
///   bf16     fused (on a GPU folded) in bfloat16
///
/// InferenceKind::automatic decides on the first pictures that are run: few
/// pictures are not worth a rewritten graph; else each way runs some of them
/// (few are not worth trying folded and onednn beside a rewritten one), what
/// differs too much from `plain` is out (1e-4 of the root mean square,
/// 2e-2 for bf16), and the fastest of the rest stays. To be the same in the
/// next run, `fused` gives way only to what is 10 % faster.
///
/// A picture's result does not depend on its company: pictures run in groups
/// of one fixed size, the last group filled up; one by one when few come. Keeps
/// the values that the chain's tensors had at construction or later: they must
/// not change. To be called from one thread.
class FrozenPrefix {
 public:
  /// pictures  how many will come, about
  /// taps      cuts in rising order: run() then gives, side by side, what the
  ///           blocks in front of each give on average over places, [N, C], and
  ///           for cut 0 a grey thumbnail of the images, [N, 256]
  FrozenPrefix(const BlockChain& chain, int64_t end, InferenceKind kind,
               int64_t pictures, std::vector<int64_t> taps = {});
  ~FrozenPrefix();

  /// Takes this way without timing others, in place of what `automatic` would
  /// find out; plain where it differs too much here. Before the first pictures.
  void prefer(InferenceKind kind);

  FrozenPrefix(FrozenPrefix&&) noexcept;
  FrozenPrefix& operator=(FrozenPrefix&&) noexcept;

  /// Images under way. Must not outlive the prefix.
  class Pending {
   public:
    /// Waits. Once.
    torch::Tensor get();

   private:
    friend class FrozenPrefix;
    std::shared_ptr<std::vector<torch::Tensor>> groups_;
    std::vector<std::future<void>> begun_;
    int64_t images_ = 0;
  };

  /// images   float32 [N, 3, H, W], normalised as InputSpec says, any device
  /// returns  float32, what block end - 1 gives, on the chain's device
  torch::Tensor run(const torch::Tensor& images) { return begin(images).get(); }

  /// The same, without waiting: images that are begun before others are done
  /// leave no thread idle. On a GPU, and in the first call, it waits.
  Pending begin(const torch::Tensor& images);

  /// Complete after the first run.
  const PrefixChoice& choice() const;

  /// The fewest pictures, of `views` images each, that give every thread a
  /// group and leave nothing to fill up.
  int64_t pictures_at_once(int64_t views) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace engraft
