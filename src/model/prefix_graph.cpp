#include <algorithm>

#include "model/block_graphs.h"
#include "model/chain_state.h"
#include "model/taps.h"

namespace engraft {
namespace {

/// The compiler's constants take no tensor that requires grad.
Value* insert_constant(Graph& graph, const torch::Tensor& tensor) {
  return graph.insertConstant(tensor.detach());
}

/// The whole model with its tensors as constants.
std::shared_ptr<Graph> closed_graph(const LoweredGraph& lowered) {
  auto graph = lowered.graph->copy();
  torch::jit::WithInsertPoint guard(*graph->nodes().begin());
  for (size_t i = lowered.tensors.size(); i > 0; --i) {
    graph->inputs()[i]->replaceAllUsesWith(
        insert_constant(*graph, lowered.tensors[i - 1].tensor));
    graph->eraseInput(i);
  }
  return graph;
}

}  // namespace

std::shared_ptr<Graph> prefix_graph(const BlockChain& chain, int64_t end,
                                    const std::vector<int64_t>& taps) {
  if (end == BlockChain::kWhole) return closed_graph(chain.state_->lowered);
  const auto& blocks = chain.state_->blocks();
  TORCH_CHECK(0 <= end && end <= std::ssize(blocks), "blocks [0, ", end,
              ") of ", blocks.size());
  auto graph = std::make_shared<Graph>();
  Value* value = graph->addInput();
  value->setType(c10::TensorType::get());
  std::vector<Value*> tapped;
  const auto tap = [&](int64_t cut) {
    if (std::ranges::find(taps, cut) != taps.end())
      tapped.push_back(insert_tap(*graph, value, chain, cut));
  };
  tap(0);
  for (int64_t i = 0; i < end; ++i) {
    std::vector<Value*> inputs{value};
    for (const torch::Tensor& tensor : blocks[i].tensors)
      inputs.push_back(insert_constant(*graph, tensor));
    value = torch::jit::insertGraph(*graph, *blocks[i].graph, inputs).at(0);
    tap(i + 1);
  }
  if (!tapped.empty()) {
    Value* list =
        graph->insertNode(graph->createList(c10::TensorType::get(), tapped))
            ->output();
    value = graph->insert(torch::jit::aten::cat, {list, 1});
  }
  graph->registerOutput(value);
  return graph;
}

}  // namespace engraft
