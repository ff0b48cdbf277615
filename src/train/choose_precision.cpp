#include "train/choose_precision.h"

#include <ATen/Parallel.h>
#include <torch/nn/functional/loss.h>
#include <torch/types.h>

#include <algorithm>

#include "engraft/policy/cost.h"
#include "model/graph.h"
#include "out_of_memory.h"
#include "stopwatch.h"
#include "train/undo.h"

namespace engraft {
namespace {

/// Forward and backward.
PrecisionStep step(const LiveChain& live, const Batches::Batch& batch,
                   torch::Device device, bool bf16) {
  const Undo undo(live, device);
  PrecisionStep out;
  out.pictures = batch.x.size(0);
  const Stopwatch watch;
  const auto logits = live.forward(batch.x.to(device), live.cut(), bf16);
  torch::nn::functional::cross_entropy(logits, batch.labels.to(device))
      .backward();
  out.seconds = watch.seconds();
  out.logits = logits.detach();
  std::vector<torch::Tensor> gradients;
  for (const torch::Tensor& parameter : live.live_parameters())
    if (parameter.grad().defined())
      gradients.push_back(parameter.grad().flatten());
  out.gradient = torch::cat(gradients);
  return out;
}

/// Zeros in place of what block cut - 1 gives, or of pictures.
torch::Tensor blank(const BlockChain& chain, int64_t cut, int64_t input_size,
                    int64_t pictures) {
  std::vector<int64_t> sizes{3, input_size, input_size};
  if (cut > 0) sizes = chain.block(cut - 1).output_size;
  sizes.insert(sizes.begin(), pictures);
  const auto out = torch::zeros(sizes);
  return out.dim() == 4 ? out.contiguous(at::MemoryFormat::ChannelsLast) : out;
}

}  // namespace

PrecisionChoice choose_precision(
    const LiveChain& live, const BlockChain& chain, const FitSettings& settings,
    int64_t begin, int64_t pictures,
    const std::function<std::optional<Batches::Batch>()>& next,
    const PrecisionRules& rules) {
  // A thread's share of them is what it has in training, about.
  constexpr int64_t kSteps = 6, kPicturesAThread = 2, kFewest = 4;
  const TrainPrecision asked = settings.optim.precision;
  const int64_t cut = live.cut(), blocks = chain.num_blocks();
  PrecisionChoice out;
  out.cut = cut;
  if (cut == blocks) return out;
  if (asked != TrainPrecision::automatic) {
    out.kind = asked;
    return out;
  }
  const int64_t of_trial =
      std::max<int64_t>(kFewest, kPicturesAThread * at::get_num_threads());
  const auto all = static_cast<double>(pictures);
  if (chain.device().is_cuda() || !rules.processor ||
      static_cast<double>(kSteps * of_trial) > rules.trial_share * all ||
      all * multiplications(chain, cut, blocks) < rules.multiplications)
    return out;
  auto batch = next();
  if (!batch) return out;
  const int64_t size = std::min(of_trial, batch->x.size(0));
  batch->x = batch->x.narrow(0, 0, size);
  batch->labels = batch->labels.narrow(0, 0, size);
  if (begin < cut) batch->x = chain.run_frozen(batch->x, begin, cut);
  try {
    return compare_precisions(cut, [&](bool bf16) {
      return step(live, *batch, chain.device(), bf16);
    });
  } catch (const std::exception& error) {
    // What does not train at all is told by the step that finds it out.
    if (is_out_of_memory(error)) throw;
    return out;
  }
}

void check_precision(LiveChain& live, const BlockChain& chain,
                     const FitSettings& settings) {
  const int64_t before = live.cut(), cut = settings.plan.lowest_cut();
  if (settings.optim.precision != TrainPrecision::bf16 ||
      cut == chain.num_blocks())
    return;
  constexpr int64_t kPictures = 2;
  const Batches::Batch batch{blank(chain, cut, settings.input.crop, kPictures),
                             torch::zeros(kPictures, torch::kLong)};
  live.set_cut(cut);
  bool trains = false;
  try {
    step(live, batch, chain.device(), false);
    trains = true;
    step(live, batch, chain.device(), true);
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) throw;
    if (trains)
      fail(Fault::model, settings.model, ": cannot be trained in bfloat16 ",
           "from block ", cut, " on: ", last_line(error.what()),
           "; leave --precision out");
  }
  live.set_cut(before);
}

}  // namespace engraft
