// The frozen part of a model ($ENGRAFT_BENCH_MODEL, else the default model) in
// each way of computing it, and reading its activations back.

#include <benchmark/benchmark.h>

#include "bench/model_path.h"
#include "engraft/cache/row_cache.h"
#include "engraft/model/prefix.h"

namespace engraft {
namespace {

constexpr int64_t kPictures = 32;

struct Model {
  Classifier classifier = load_classifier(bench::model_path());
  BlockChain chain{classifier};
};

const Model& model() {
  static const Model loaded;
  return loaded;
}

/// All blocks before the head; items are pictures.
void Prefix(benchmark::State& state) {
  const auto kind = static_cast<InferenceKind>(state.range(0));
  const BlockChain& chain = model().chain;
  FrozenPrefix prefix(chain, chain.num_blocks(), kind, 1 << 20);
  const int64_t side = model().classifier.input.crop;
  const auto x = torch::randn({kPictures, 3, side, side});
  try {
    prefix.run(x);
  } catch (const std::exception& error) {
    return state.SkipWithError(error.what());
  }
  state.SetLabel(std::string(name_of(prefix.choice().kind)));
  for (auto _ : state) benchmark::DoNotOptimize(prefix.run(x).data_ptr());
  state.SetItemsProcessed(kPictures * state.iterations());
}
BENCHMARK(Prefix)
    ->ArgName("kind")
    ->DenseRange(static_cast<int>(InferenceKind::automatic),
                 static_cast<int>(InferenceKind::onednn))
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

/// Rows of 1280 halves out of the cache; items are rows.
void CacheRead(benchmark::State& state) {
  constexpr int64_t kRows = 4096, kBytes = 1280 * 2;
  RowCacheOptions options;
  options.memory_budget = state.range(0) ? kRows * kBytes * 2 : 0;
  RowCache cache(options, "0123456789abcdef", kBytes, Json());
  std::vector<uint8_t> row(kBytes);
  for (uint64_t i = 0; i < kRows; ++i) {
    row[0] = static_cast<uint8_t>(i);
    cache.add({i, i}, row.data());
  }
  cache.flush();
  uint64_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(cache.read({i % kRows, i % kRows}, row.data()));
    ++i;
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * kBytes);
}
BENCHMARK(CacheRead)->ArgName("in_memory")->Arg(0)->Arg(1);

}  // namespace
}  // namespace engraft

BENCHMARK_MAIN();
