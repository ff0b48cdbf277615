#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engraft/model/regularise.h"
#include "model/graph.h"

namespace engraft {

/// A block as inference runs it.
struct BlockPart {
  std::string name;
  std::shared_ptr<Graph> graph;      ///< is not changed
  std::vector<NamedTensor> tensors;  ///< the graph's inputs 1, 2, ...
  std::vector<int64_t> input_size;   ///< without the batch dimension
};

enum class Noise {
  training,   ///< batch norms on the batch's statistics too
  sampling,   ///< batch norms as in inference, every residual branch kept
  statistics  ///< as training, running statistics replaced by the batch's
};

/// Graphs of the whole chain, the head last, with dropouts on and, from part
/// `begin` on, what `options` asks for, in operations that can be
/// differentiated. What was changed is added to `report`.
std::vector<std::shared_ptr<Graph>> noisy_graphs(
    const std::vector<BlockPart>& parts, const RegulariserOptions& options,
    int64_t begin, Noise noise, RegulariserReport& report);

/// Weight of a new batch in the running statistics of this batch norm, which
/// stands in the graph that inference runs, when a training graph runs;
/// LibTorch's default where the graph computes it, 0 where they do not move.
double statistics_momentum(const Node* batch_norm,
                           const RegulariserOptions& options);
bool moves_statistics(const Node* batch_norm,
                      const RegulariserOptions& options);

/// Two runs of such a graph can differ.
bool draws_numbers(Graph& graph);

}  // namespace engraft
