#include "train/solved_head.h"

#include <algorithm>
#include <numeric>

namespace engraft {
namespace {

// Features that are kept in memory as one matrix; more are read in parts.
constexpr int64_t kMostBytes = int64_t{8} << 20;

/// Row r is the (r / pictures)-th view of picture r mod pictures.
FeatureRows rows_of(Activations& features, const std::vector<Sample>& samples,
                    ViewRange views, int64_t size) {
  const int64_t pictures = std::ssize(samples);
  FeatureRows out;
  out.rows = pictures * views.count;
  out.features = size;
  out.read = [&features, &samples, pictures, first = views.first](int64_t begin,
                                                                  int64_t end) {
    std::vector<torch::Tensor> parts;
    while (begin < end) {
      const int64_t view = begin / pictures;
      const int64_t last = std::min(end, (view + 1) * pictures);
      std::vector<int64_t> indices(static_cast<size_t>(last - begin));
      std::iota(indices.begin(), indices.end(), begin % pictures);
      parts.push_back(features.read(samples, indices, first + view));
      begin = last;
    }
    return parts.size() == 1 ? parts[0] : torch::cat(parts);
  };
  if (out.rows * size * 4 > kMostBytes) return out;
  const torch::Tensor all = out.read(0, out.rows);
  out.read = [all](int64_t begin, int64_t end) {
    return all.slice(0, begin, end);
  };
  return out;
}

/// Weight [classes, features] and bias [classes] of the final layer, CPU.
std::pair<torch::Tensor, torch::Tensor> final_layer(const BlockChain& chain) {
  const HeadInfo& head = chain.head();
  torch::Tensor weight, bias = torch::zeros({head.classes});
  for (const NamedTensor& t : chain.block(chain.num_blocks()).tensors) {
    const auto value = t.tensor.detach().cpu();
    if (t.name == head.weight) weight = head.input_major ? value.t() : value;
    if (t.name == head.bias) bias = value;
  }
  return {weight, bias};
}

}  // namespace

bool has_linear_head(const BlockChain& chain) {
  const HeadInfo& head = chain.head();
  if (chain.num_blocks() == 0 || chain.fused_head() ||
      head.kind == HeadKind::conv ||
      chain.block(chain.num_blocks() - 1).output_size !=
          std::vector<int64_t>{head.features})
    return false;
  torch::NoGradGuard no_grad;
  constexpr int64_t kRows = 4;
  const auto features = torch::randn(
      {kRows, head.features}, at::detail::createCPUGenerator(/*seed=*/0));
  const auto [weight, bias] = final_layer(chain);
  const int64_t end = chain.num_blocks() + 1;
  const auto seen = chain
                        .run(features.to(chain.device(), /*non_blocking=*/false,
                                         /*copy=*/true),
                             end - 1, end)
                        .cpu();
  const auto expected = torch::addmm(bias, features, weight.t());
  return torch::allclose(seen, expected, 1e-3,
                         1e-4 * expected.abs().max().item<double>() + 1e-9);
}

HeadSolution solve_final_layer(Activations& features, const BlockChain& chain,
                               const FitSettings& settings, ViewRange views,
                               const std::function<bool()>& stop) {
  const std::vector<Sample>& samples = settings.folder.train;
  const int64_t pictures = std::ssize(samples);
  HeadProblem problem;
  problem.features = rows_of(features, samples, views, chain.head().features);
  problem.classes = chain.head().classes;
  problem.bias = !chain.head().bias.empty();
  problem.label_smoothing = settings.optim.label_smoothing.value_or(0);
  problem.class_weights = class_weights(settings.optim.class_weights,
                                        settings.folder.counts(samples));
  auto labels = torch::empty({pictures}, torch::kLong);
  for (int64_t i = 0; i < pictures; ++i)
    labels.mutable_data_ptr<int64_t>()[i] = samples[i].label;
  problem.labels = labels.repeat(views.count);
  problem.pictures = torch::arange(pictures).repeat(views.count);
  return solve_head(problem, settings.optim.head_l2, stop);
}

}  // namespace engraft
