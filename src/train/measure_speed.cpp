#include "train/measure_speed.h"

#include <torch/types.h>

#include <algorithm>

#include "engraft/data/loader.h"
#include "engraft/model/prefix.h"
#include "engraft/policy/cost.h"
#include "engraft/train/live_chain.h"
#include "stopwatch.h"
#include "train/undo.h"

namespace engraft {
namespace {

// Pictures that are timed; a training step of this size.
constexpr int64_t kPictures = 16;
// Share of the blocks that a timed step leaves out: what trains seldom reaches
// further, and all of them would take too long.
constexpr double kFrozen = 2.0 / 3;

template <typename Work>
double seconds(const Work& work) {
  const Stopwatch watch;
  work();
  return watch.seconds();
}

/// A picture forward and backward through all blocks, from a step through the
/// last ones and their share of the multiplications.
double time_training(BlockChain& chain, const torch::Tensor& images) {
  const int64_t blocks = chain.num_blocks();
  const auto cut = static_cast<int64_t>(kFrozen * static_cast<double>(blocks));
  const LiveChain live(chain, cut);
  const Undo undo(live, chain.device());  // running statistics move
  const auto x = chain.run_frozen(images.to(chain.device()), 0, cut);
  const auto step = [&] { live.forward(x, cut).square().mean().backward(); };
  step();  // the first one also plans
  const double spent = std::min(seconds(step), seconds(step));
  const double share = multiplications(chain, cut, blocks) /
                       std::max(multiplications(chain, 0, blocks), 1.0);
  return spent / static_cast<double>(images.size(0)) / std::max(share, 1e-3);
}

/// Some pictures, and what a view of one takes to make.
struct Loaded {
  torch::Tensor images;
  double seconds = 0;
};

Loaded load(const InputSpec& input, const std::vector<Sample>& samples,
            int64_t threads) {
  const auto count = std::min<int64_t>(kPictures, std::ssize(samples));
  const std::vector<Sample> some(samples.begin(), samples.begin() + count);
  LoaderOptions loading;
  loading.input = input;
  loading.augment = AugmentSettings();
  loading.threads = threads;
  loading.batch_size = count;
  Loader loader(some, loading);
  Loaded out;
  out.seconds = seconds([&] {
                  loader.start_epoch(1);
                  out.images = loader.next()->images;
                }) /
                static_cast<double>(count);
  return out;
}

double time_inference(BlockChain& chain, const torch::Tensor& images,
                      InferenceKind kind) {
  // As for many pictures; not so many that all ways are timed.
  constexpr int64_t kWillCome = 64;
  FrozenPrefix prefix(chain, chain.num_blocks(), kind, kWillCome);
  prefix.run(images);  // chooses and plans
  const auto run = [&] { prefix.run(images); };
  return std::min(seconds(run), seconds(run)) /
         static_cast<double>(images.size(0));
}

}  // namespace

double time_inference(BlockChain& chain, const InputSpec& input,
                      const std::vector<Sample>& samples,
                      const RunOptions& run) {
  return time_inference(chain, load(input, samples, run.threads).images,
                        run.inference);
}

Speed measure_speed(BlockChain& chain, const InputSpec& input,
                    const std::vector<Sample>& samples, const RunOptions& run,
                    double spent) {
  const Loaded loaded = load(input, samples, run.threads);
  Speed out;
  out.decode = loaded.seconds;
  out.inference = time_inference(chain, loaded.images, run.inference);
  out.training = time_training(chain, loaded.images);
  // Loading the model once more, the first steps, and saving.
  constexpr double kStartAndEnd = 2;
  out.fixed = spent + kStartAndEnd;
  return out;
}

}  // namespace engraft
