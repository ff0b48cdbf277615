#pragma once

#include <torch/types.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "engraft/model/classifier.h"
#include "engraft/model/regularise.h"

namespace torch::jit {
struct Graph;
}

namespace engraft {

/// A tensor of the model under its attribute path, as state_dict() names it.
struct NamedTensor {
  std::string name;
  torch::Tensor tensor;
  bool is_buffer = false;  ///< running statistics and the like
};

/// One piece of the chain, in numbers.
struct BlockInfo {
  std::string name;  ///< common attribute path of its tensors
  std::vector<NamedTensor> tensors;
  int64_t num_parameters = 0;  ///< elements, buffers not counted
  int64_t batch_norms = 0, layer_norms = 0, dropouts = 0;
  std::vector<int64_t> output_size;  ///< without the batch dimension
};

enum class HeadKind { linear, addmm, matmul, conv };
ENGRAFT_ENUM_NAMES(HeadKind, "linear", "addmm", "matmul", "1x1 conv");

/// The final layer: [classes, features] (or [classes, features, 1, 1]) weight
/// and perhaps a bias.
struct HeadInfo {
  HeadKind kind = HeadKind::linear;
  std::string weight, bias;  ///< attribute paths; bias "" when there is none
  int64_t features = 0, classes = 0;
  /// The weight is [features, classes]: x @ W without a transposition.
  bool input_major = false;
  /// The weight also works elsewhere in the model.
  bool shared = false;
};

enum class BlockMode {
  inference,  ///< BatchNorm on running statistics, dropout off
  training,   ///< BatchNorm on the batch's, dropout on
  sampling,   ///< BatchNorm on running statistics, dropout on
  statistics  ///< as training, and running statistics become the batch's own
};

/// What a batch norm sees in one forward pass, in each channel.
struct BatchNormMoments {
  std::string name;
  double depth = 0;  ///< share of the batch norms before it, [0, 1)
  torch::Tensor running_mean, running_var;  ///< float32 [C]
  /// Means over pictures and places of x - running_mean and of its square,
  /// float32 [C].
  torch::Tensor mean, square;
};

/// A classifier as a row of blocks [0, num_blocks) and the head behind them,
/// found in its graph, not in its module names: it is cut where exactly one
/// tensor is alive, and small steps are grouped at residual boundaries.
/// suffix(prefix(x)) equals the whole model bit for bit.
///
/// Shares its tensors with the classifier: training the blocks trains the
/// module. Cut when its blocks are first asked for. Movable. One thread at a
/// time.
class BlockChain {
 public:
  /// Throws Error(Fault::model): no final layer, several image inputs, an
  /// ensemble (see members_of), ...
  explicit BlockChain(const Classifier& classifier);
  ~BlockChain();
  BlockChain(BlockChain&&) noexcept;
  BlockChain& operator=(BlockChain&&) noexcept;

  /// As an end: all blocks and the head, which takes no cutting.
  static constexpr int64_t kWhole = std::numeric_limits<int64_t>::max();

  /// Without the head.
  int64_t num_blocks() const;
  /// Block num_blocks() is the head: everything from the final layer on, with
  /// the parameter-free steps before it.
  const BlockInfo& block(int64_t index) const;
  const HeadInfo& head() const;
  /// The final layer could not be cut off from what is before it: the last
  /// backbone block is then the identity, and the head block computes what
  /// its tensors do.
  bool fused_head() const;

  /// Blocks [begin, end) on `x`; end = num_blocks() + 1 includes the head.
  /// x  float32 [N, 3, H, W] for begin = 0, else what block begin - 1 gave.
  /// Records for autograd unless the caller disabled it.
  torch::Tensor run(const torch::Tensor& x, int64_t begin, int64_t end,
                    BlockMode mode = BlockMode::inference) const;

  /// The same in inference mode without autograd, a few pictures at a time.
  torch::Tensor run_frozen(const torch::Tensor& x, int64_t begin,
                           int64_t end) const;

  /// The whole model in inference mode without autograd: logits [N, classes].
  torch::Tensor logits(const torch::Tensor& images) const;

  /// Changes what the modes but BlockMode::inference run from now on; no
  /// options give the model's own training back. sampling has what is random
  /// but stochastic depth. Blocks before `begin` are frozen: they stay as they
  /// are, and count only for how deep a branch lies.
  /// Throws Error(Fault::usage): a bad option, or one for what blocks
  /// [begin, ...) and the head do not have.
  RegulariserReport regularise(const RegulariserOptions& options,
                               int64_t begin = 0);

  /// Regularises as before, but with these statistics.
  /// Throws Error(Fault::usage): running ones, with a momentum or where no
  /// batch norm is.
  void normalise_by(BatchNormStatistics statistics);

  /// Running statistics of the batch norms of blocks [begin, ...) and the head
  /// that BlockMode::training moves, each once, shared with the classifier.
  std::vector<torch::Tensor> running_statistics(int64_t begin) const;

  /// Weights of a new batch in the running statistics of the batch norms of
  /// blocks [begin, end) that BlockMode::training normalises by the batch;
  /// LibTorch's default where the graph computes it.
  std::vector<double> batch_norm_momenta(int64_t begin, int64_t end) const;

  /// The first block from `begin` on that draws numbers in BlockMode::sampling.
  /// Throws Error(Fault::usage) when none does.
  int64_t first_random(int64_t begin = 0) const;

  /// Logits of blocks [begin, ...) and the head in BlockMode::sampling, again
  /// and again (Gal & Ghahramani 2016), without autograd: float32
  /// [samples, N, classes]. What comes before first_random(begin) runs once.
  /// x        what block begin - 1 gives for N pictures, images for begin = 0
  /// samples  1 or more
  /// Throws as first_random.
  torch::Tensor sample_logits(const torch::Tensor& x, int64_t samples,
                              int64_t begin = 0) const;

  /// Block index for "all" (num_blocks()), "none" (0), a number or a block's
  /// name. Throws Error(Fault::usage) listing what is there.
  int64_t find_block(const std::string& name) const;

  /// Names the function that blocks [0, end) compute in inference mode, by
  /// their graph and the bits of their tensors: 32 hex digits, the same in
  /// every process of one LibTorch version.
  std::string fingerprint(int64_t end) const;

  /// Moves the tensors, which stay shared with the classifier.
  void to(torch::Device device);
  torch::Device device() const;

 private:
  friend std::shared_ptr<torch::jit::Graph> prefix_graph(
      const BlockChain&, int64_t, const std::vector<int64_t>&);
  friend int64_t input_size(const BlockChain&);
  friend class BatchNormProbe;
  struct State;
  std::unique_ptr<State> state_;
};

/// Looks at the inputs of the batch norms at the top level of a chain's graph,
/// up to max_depth, in inference mode. Computes no more than it must, and
/// keeps no activation. The chain must outlive it. Threads may run it at the
/// same time.
class BatchNormProbe {
 public:
  explicit BatchNormProbe(const BlockChain& chain, double max_depth = 1);
  ~BatchNormProbe();
  BatchNormProbe(const BatchNormProbe&) = delete;
  BatchNormProbe& operator=(const BatchNormProbe&) = delete;

  /// There is none to look at.
  bool empty() const;
  std::vector<BatchNormMoments> run(const torch::Tensor& images) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace engraft
