#include "train/choose_precision.h"

#include <torch/types.h>

#include "engraft/policy/cost.h"
#include "model/autocast.h"
#include "model/graph.h"
#include "train/keep_randomness.h"

namespace engraft {
namespace {

// A stage of fewer multiplications ends before a choice pays: a second or two.
constexpr double kWorthTiming = 1e11;

bool is_tried(const BlockChain& chain, int64_t cut, int64_t pictures,
              TrainPrecision asked) {
  if (cut == chain.num_blocks()) return false;
  if (asked != TrainPrecision::automatic) return asked == TrainPrecision::bf16;
  return chain.device().is_cpu() && has_bf16() &&
         static_cast<double>(pictures) *
                 multiplications(chain, cut, chain.num_blocks()) >
             kWorthTiming;
}

/// What a step in bfloat16 fails with, "" when it does not. Leaves nothing but
/// gradients changed.
std::string try_bf16(LiveChain& live, const BlockChain& chain,
                     int64_t input_size) {
  constexpr int64_t kPictures = 2;
  const int64_t cut = live.cut();
  std::vector<int64_t> sizes{3, input_size, input_size};
  if (cut > 0) sizes = chain.block(cut - 1).output_size;
  sizes.insert(sizes.begin(), kPictures);
  const KeepRandomness keep(chain.device());
  const auto before = live.snapshot();
  std::string failed;
  try {
    live.forward(torch::zeros(sizes, chain.device()), cut, true)
        .square()
        .mean()
        .backward();
  } catch (const std::exception& error) {
    failed = last_line(error.what());
  }
  LiveChain::restore(before);
  return failed;
}

}  // namespace

PrecisionTrial choose_precision(LiveChain& live, const BlockChain& chain,
                                const FitSettings& settings, int64_t pictures) {
  const TrainPrecision asked = settings.optim.precision;
  const int64_t cut = live.cut();
  if (!is_tried(chain, cut, pictures, asked)) return {cut, TrainPrecision::f32};
  const std::string failed = try_bf16(live, chain, settings.input.crop);
  if (failed.empty()) return {cut, asked};
  if (asked == TrainPrecision::bf16)
    fail(Fault::model, settings.model, ": cannot be trained in bfloat16 from ",
         "block ", cut, " on: ", failed, "; leave --precision out");
  return {cut, failed};
}

}  // namespace engraft
