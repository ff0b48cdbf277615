#pragma once

#include <torch/types.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "engraft/json.h"
#include "engraft/model/chain.h"
#include "engraft/train/event_file.h"

namespace engraft {

/// Of a curve without a point in this epoch.
inline constexpr double kNoPoint = std::numeric_limits<double>::quiet_NaN();

/// How a block was trained in an epoch.
struct BlockCurve {
  std::string name;
  /// Root mean square over the steps of the gradient's L2 norm.
  double gradient_norm = kNoPoint;
  /// Mean over the steps of |w_after - w_before| / |w_before|, L2 norms over
  /// the block.
  double update_ratio = kNoPoint;
};

/// One epoch's points. Accuracies in [0, 1], losses in nats, as EpochResult.
struct EpochCurves {
  int64_t epoch = 0;  ///< from 1
  int64_t step = 0;   ///< optimizer steps so far
  std::string stage;  ///< "head" or "blocks"
  double train_loss = kNoPoint, train_accuracy = kNoPoint;
  double val_loss = kNoPoint, val_accuracy = kNoPoint;
  double head_lr = kNoPoint, backbone_lr = kNoPoint;
  std::vector<BlockCurve> blocks;  ///< those that were trained by steps
};

/// The fields under their names, null for what is no finite number.
Json to_json(const EpochCurves& curves);

/// Where curves of a run go.
struct CurvePaths {
  std::string lines;   ///< JSON lines
  std::string folder;  ///< TensorBoard's, for its --logdir
};

/// pets.pt -> pets.curves.jsonl and pets.tensorboard. Any other ending than
/// .pt stays, so that models of other names have other curves.
CurvePaths curve_paths(const std::string& out);

/// Writes curves beside the model `out`: a JSON line an epoch, and for
/// TensorBoard loss/train, loss/val, accuracy/train, accuracy/val, lr/head,
/// lr/backbone, gradient_norm/BLOCK and update_ratio/BLOCK over the epochs.
/// What is no finite number is null in the line and no point in TensorBoard.
class CurveWriter {
 public:
  /// Starts both anew: the lines are overwritten, event files that an earlier
  /// run wrote are removed. Throws Error(Fault::io).
  explicit CurveWriter(const std::string& out);
  ~CurveWriter();
  CurveWriter(const CurveWriter&) = delete;
  CurveWriter& operator=(const CurveWriter&) = delete;

  /// Both are with the system before it returns, in whole records. Throws
  /// Error(Fault::io), also for a full disk.
  void write(const EpochCurves& curves);

 private:
  std::unique_ptr<GrowingFile> lines_;
  EventFile events_;
};

/// Tensors whose numbers are taken together.
struct WatchedBlock {
  std::string name;
  std::vector<torch::Tensor> tensors;
};

/// The tensors of blocks [cut, num_blocks] that require a gradient now, by
/// block; a shared one with the first that has it, blocks without any left out.
std::vector<WatchedBlock> watched_blocks(const BlockChain& chain, int64_t cut);

/// Measures around each optimizer step what BlockCurve holds. Takes memory for
/// one copy of the tensors.
class BlockWatch {
 public:
  /// The tensors are shared, and must keep their sizes.
  explicit BlockWatch(const std::vector<WatchedBlock>& blocks);

  /// Between the gradients and optimizer.step(). Measures them as they are:
  /// before clipping where it is called before that. An undefined gradient
  /// counts as zero.
  void before_step();
  /// Behind optimizer.step(). The ratio of a block of zeros is 0.
  void after_step();
  /// Over the steps since the last call, one a block in their order; kNoPoint
  /// where there was none.
  std::vector<BlockCurve> take();

 private:
  struct Block {
    std::string name;
    std::vector<torch::Tensor> tensors, before;
    double gradient = 0;  ///< of the step in hand
    double squares = 0, ratios = 0;
  };

  std::vector<Block> blocks_;
  int64_t steps_ = 0;
};

}  // namespace engraft
