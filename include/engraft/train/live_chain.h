#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engraft/model/chain.h"
#include "engraft/policy/plan.h"
#include "engraft/train/optimizer.h"

namespace engraft {

/// A chain with its blocks [0, cut) frozen: which tensors move, which must
/// not, and the best state of the moving ones so far.
///
/// Frozen means no gradient and BatchNorm on its running statistics. A tensor
/// that a frozen block shares with a live one stays frozen.
class LiveChain {
 public:
  /// Sets requires_grad on all tensors of the chain. The destructor puts the
  /// flags back as they were.
  LiveChain(BlockChain& chain, int64_t cut);
  ~LiveChain();
  LiveChain(const LiveChain&) = delete;
  LiveChain& operator=(const LiveChain&) = delete;

  /// Thaws blocks from `cut` on.
  void set_cut(int64_t cut);
  int64_t cut() const { return cut_; }

  /// Logits for training: frozen blocks without autograd, live ones with.
  /// Float32 [N, classes].
  /// x     what block begin - 1 gives, images for begin = 0; begin <= cut()
  /// bf16  convolutions and matrix products of live blocks take bfloat16, and
  ///       what stands between them with it; the head takes float32
  torch::Tensor forward(const torch::Tensor& x, int64_t begin = 0,
                        bool bf16 = false) const;

  /// What live batch norms normalise by from now on in forward().
  void normalise_by(BatchNormStatistics statistics);

  /// Puts these into the final layer, in place.
  /// weight float32 [classes, features], bias float32 [classes], CPU
  void set_head(const torch::Tensor& weight, const torch::Tensor& bias);

  /// Up to two groups for each live block and the head: weights apart from
  /// biases and norms, which take no weight decay.
  std::vector<ParameterGroup> groups(const TransferPlan& plan,
                                     const OptimOptions& options) const;

  std::vector<torch::Tensor> live_parameters() const;

  /// Takes the running statistics of live batch norms anew: means over batches
  /// of what training sees. `next` gives what block begin - 1 gives for a
  /// batch, or an undefined tensor at the end. False where there are none, or
  /// no batch, and they stay.
  bool measure_batch_norms(const std::function<torch::Tensor()>& next,
                           int64_t begin);

  /// Tensors and copies of their values.
  using Snapshot = std::vector<std::pair<torch::Tensor, torch::Tensor>>;
  /// Of everything that any stage moves, running statistics included.
  Snapshot snapshot() const;
  static void restore(const Snapshot& snapshot);

  /// A snapshot for later.
  void remember() { remembered_ = snapshot(); }
  /// Back to what was remembered last; nothing when nothing was.
  void recall() { restore(remembered_); }

  /// Hash over names and bits of the tensors that no stage moves, that is with
  /// the cut of construction; and their number.
  std::string frozen_checksum() const;
  int64_t num_frozen() const;

 private:
  std::vector<NamedTensor> live_tensors() const;
  std::vector<NamedTensor> frozen_tensors() const;
  void mark();

  BlockChain& chain_;
  int64_t cut_, lowest_;
  std::vector<std::pair<torch::Tensor, bool>> flags_;
  Snapshot remembered_;
};

}  // namespace engraft
