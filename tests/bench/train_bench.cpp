// An epoch of the training loop with all techniques off, beside the steps that
// nobody can do without, of the default model (or $ENGRAFT_BENCH_MODEL).

#include <benchmark/benchmark.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/types.h>

#include <string>

#include "bench/model_path.h"
#include "engraft/model/surgery.h"
#include "engraft/train/live_chain.h"
#include "engraft/train/optimizer.h"
#include "engraft/train/trainer.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

constexpr int64_t kBatch = 32, kBatches = 4, kClasses = 2, kEpochs = 6;

TrainOptions options(const std::string& folder) {
  TrainOptions out;
  out.base.model = bench::model_path();
  out.base.data = folder + "/data";
  out.base.plan.size = SizeClass::small;
  out.base.plan.similarity = SimilarityClass::different;
  out.base.plan.epochs = kEpochs;
  out.base.plan.head_epochs = 0;
  out.base.plan.batch_size = kBatch;
  out.base.plan.views = 1;
  out.base.cache.cache = "none";
  out.optim.precision = TrainPrecision::f32;
  out.view.crops = 1;
  out.out = folder + "/out.pt";
  return out;
}

/// The last third of the blocks, as everywhere.
int64_t cut_of(const BlockChain& chain) { return 2 * chain.num_blocks() / 3; }

/// Forward, loss, backward, clipping, Adam; items are pictures.
void BareSteps(benchmark::State& state) {
  const TrainOptions given = options("");
  Classifier classifier = load_classifier(given.base.model);
  replace_head(classifier, BlockChain(classifier).head(), kClasses, 0);
  BlockChain chain(classifier);
  const int64_t cut = cut_of(chain);
  LiveChain live(chain, cut);
  TransferPlan plan;
  plan.head_lr = plan.backbone_lr = 1e-3;
  const auto optimizer =
      make_optimizer(live.groups(plan, given.optim), given.optim);
  auto sizes = chain.block(cut - 1).output_size;
  sizes.insert(sizes.begin(), kBatch);
  const auto x = torch::randn(sizes).contiguous(at::MemoryFormat::ChannelsLast);
  const auto labels = torch::arange(kBatch).remainder(kClasses);
  const auto step = [&] {
    optimizer->zero_grad();
    const auto loss = torch::nn::functional::cross_entropy(
        live.forward(x, cut), labels,
        torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(0.1));
    benchmark::DoNotOptimize(loss.item<double>());
    loss.backward();
    torch::nn::utils::clip_grad_norm_(live.live_parameters(),
                                      given.optim.clip_norm);
    optimizer->step();
  };
  const auto epoch = [&] {
    for (int64_t i = 0; i < kBatches; ++i) step();
  };
  epoch();
  for (auto _ : state) epoch();
  state.SetItemsProcessed(kBatches * kBatch * state.iterations());
}
BENCHMARK(BareSteps)->UseRealTime()->Unit(benchmark::kMillisecond);

/// The same steps by train(), from kept activations, without what comes between
/// epochs. The first epoch, which also plans, is not counted.
void EpochWithAllOff(benchmark::State& state) {
  const test::TempFolder folder;
  for (int64_t i = 0; i < kBatch * kBatches; ++i)
    test::write_picture(folder / ("data/train/" + std::to_string(i % kClasses) +
                                  "/" + std::to_string(i) + ".png"),
                        test::blob_picture(64, 64, static_cast<uint64_t>(i)));
  for (int64_t i = 0; i < kClasses; ++i)
    test::write_picture(folder / ("data/val/" + std::to_string(i) + "/v.png"),
                        test::blob_picture(64, 64, 9999));
  TrainOptions given = options(folder.path());
  given.base.plan.freeze_until =
      std::to_string(cut_of(BlockChain(load_classifier(given.base.model))));
  for (auto _ : state) {
    double seconds = 0;
    for (const EpochResult& epoch : train(given).epochs)
      if (epoch.epoch > 1)
        seconds +=
            static_cast<double>(kBatch * kBatches) / epoch.images_per_second;
    state.SetIterationTime(seconds / (kEpochs - 1));
  }
  state.SetItemsProcessed(kBatch * kBatches * state.iterations());
}
BENCHMARK(EpochWithAllOff)
    ->UseManualTime()
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace engraft
