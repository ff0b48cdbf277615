#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include "engraft/model/chain.h"
#include "model/chain_state.h"

namespace engraft {

struct BatchNormProbe::State {
  const BlockChain::State* chain = nullptr;
  std::vector<BatchNormMoments> norms;  ///< without what is seen
  torch::jit::Code code;
};

BatchNormProbe::BatchNormProbe(const BlockChain& chain, double max_depth)
    : state_(std::make_unique<State>()) {
  state_->chain = chain.state_.get();
  const auto& tensors = chain.state_->lowered.tensors;
  auto graph = chain.state_->lowered.graph->copy();
  const auto is_input = [&](const Value* value) {
    return value->node() == graph->param_node();
  };
  std::vector<Node*> norms;
  for (Node* node : graph->nodes())
    if (is_batch_norm(node) && is_input(node->input(3)) &&
        is_input(node->input(4)))
      norms.push_back(node);
  graph->eraseOutput(0);
  for (size_t i = 0; i < norms.size(); ++i) {
    const double depth =
        static_cast<double>(i) / static_cast<double>(norms.size());
    if (depth > max_depth) break;
    Node* node = norms[i];
    const NamedTensor& mean = tensors.at(node->input(3)->offset() - 1);
    const NamedTensor& var = tensors.at(node->input(4)->offset() - 1);
    state_->norms.push_back({mean.name.substr(0, mean.name.rfind('.')),
                             depth,
                             mean.tensor,
                             var.tensor,
                             {},
                             {}});
    torch::jit::WithInsertPoint guard(node);
    // [N * H * W, C] without a copy where channels are last in memory. Of
    // numbers about zero a mean of squares in single precision loses nothing.
    const auto aten = [&](const char* name,
                          std::vector<torch::jit::NamedValue> arguments) {
      return graph->insert(c10::Symbol::fromQualString(name), arguments);
    };
    Value* last =
        aten("aten::movedim", {node->input(0), int64_t{1}, int64_t{-1}});
    Value* rows = aten("aten::flatten", {last, int64_t{0}, int64_t{-2}});
    Value* moved = aten("aten::sub", {rows, node->input(3)});
    const std::vector<int64_t> first{0};
    graph->registerOutput(aten("aten::mean", {moved, first}));
    Value* square = aten("aten::mul", {moved, moved});
    graph->registerOutput(aten("aten::mean", {square, first}));
  }
  if (empty()) return;
  torch::jit::EliminateDeadCode(graph);  // what comes after the last of them
  state_->code = torch::jit::Code(graph, "batch_norm_probe");
}

BatchNormProbe::~BatchNormProbe() = default;

bool BatchNormProbe::empty() const { return state_->norms.empty(); }

std::vector<BatchNormMoments> BatchNormProbe::run(
    const torch::Tensor& images) const {
  std::vector<BatchNormMoments> out = state_->norms;
  if (out.empty()) return out;
  torch::NoGradGuard no_grad;
  const auto seen = run_graph(state_->code,
                              images.to(state_->chain->device)
                                  .contiguous(at::MemoryFormat::ChannelsLast),
                              state_->chain->whole_tensors);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].mean = seen[2 * i];
    out[i].square = seen[2 * i + 1];
  }
  return out;
}

}  // namespace engraft
