#pragma once

#include <torch/csrc/jit/runtime/interpreter.h>

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engraft/model/chain.h"
#include "model/block_graphs.h"
#include "model/cut.h"
#include "model/head.h"
#include "model/training_graph.h"

namespace engraft {

/// What a BlockChain and those beside it (BatchNormProbe, prefix_graph) share.
struct BlockChain::State {
  struct Block {
    BlockInfo info;
    std::vector<torch::Tensor> tensors;  ///< in the order of the graph's inputs
    std::vector<NamedTensor> named;      ///< the same
    bool writes_input = false;
    std::shared_ptr<Graph> graph;  ///< what `inference` runs
    torch::jit::Code inference;
  };

  /// Graphs with noise, made when first asked for.
  struct NoisyCodes {
    std::once_flag making;
    std::vector<torch::jit::Code> codes;
    std::vector<bool> random;  ///< blocks that draw numbers
    RegulariserReport report;
  };

  LoweredGraph lowered;
  HeadNode head;
  torch::jit::Module module;
  std::vector<torch::Tensor> whole_tensors;
  torch::Device device = torch::kCPU;
  int64_t input_size = 0;
  // Made when first asked for: who predicts needs neither.
  std::once_flag cutting;
  std::vector<Block> parts;  ///< the head last
  bool fused_head = false;
  RegulariserOptions regularisers;
  int64_t regularised_from = 0;
  std::array<std::unique_ptr<NoisyCodes>, 3> noises =
      no_noises();  ///< by Noise

  static std::array<std::unique_ptr<NoisyCodes>, 3> no_noises() {
    return {std::make_unique<NoisyCodes>(), std::make_unique<NoisyCodes>(),
            std::make_unique<NoisyCodes>()};
  }

  /// The model, cut when first asked for.
  const std::vector<Block>& blocks();
  /// Of all blocks.
  const NoisyCodes& noisy(Noise noise);
  /// What a block runs in that mode.
  const torch::jit::Code& code(int64_t block, BlockMode mode);

  /// `out` for `noise`, regularised from block `begin` on.
  void make(NoisyCodes& out, const RegulariserOptions& options, int64_t begin,
            Noise noise);
  /// As noisy_graphs takes them.
  std::vector<BlockPart> block_parts();

  /// Names and sizes of the final layer. Throws Error(Fault::model) for one
  /// that cannot be replaced, of the model at `path`.
  void describe_head(const std::string& path);

  void add_blocks(const CutGraph& graph);
  /// The head block computes the tail of the backbone too: the tail's tensors
  /// are listed under the last backbone block.
  void split_tail_tensors();
};

}  // namespace engraft
