#include "model/taps.h"

#include <vector>

namespace engraft {

namespace aten = torch::jit::aten;

constexpr int64_t kThumbnail = 16;

int64_t channel_dimension(const std::vector<int64_t>& output_size) {
  const auto dimensions = static_cast<int64_t>(output_size.size());
  if (dimensions == 2) return 2;
  if (dimensions == 3 && output_size[0] == output_size[1] &&
      output_size[1] != output_size[2])
    return 3;
  return 1;
}

int64_t tap_width(const BlockChain& chain, int64_t cut) {
  if (cut == 0) return kThumbnail * kThumbnail;
  const auto& size = chain.block(cut - 1).output_size;
  return size.empty() ? 1 : size[channel_dimension(size) - 1];
}

torch::jit::Value* insert_tap(torch::jit::Graph& graph,
                              torch::jit::Value* value, const BlockChain& chain,
                              int64_t cut) {
  std::vector<int64_t> places;
  if (cut == 0) {
    value = graph.insert(aten::adaptive_avg_pool2d,
                         {value, std::vector<int64_t>{kThumbnail, kThumbnail}});
    value = graph.insert(aten::mean, {value, std::vector<int64_t>{1}, false});
    return graph.insert(aten::flatten, {value, 1, -1});
  }
  const auto& size = chain.block(cut - 1).output_size;
  const int64_t channels = channel_dimension(size);
  for (int64_t d = 1; d <= static_cast<int64_t>(size.size()); ++d)
    if (d != channels) places.push_back(d);
  if (places.empty()) return value;
  return graph.insert(aten::mean, {value, places, false});
}

}  // namespace engraft
