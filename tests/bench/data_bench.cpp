// What one thread spends on a picture: decoding, resizing, random views, ten
// crops. Pictures are those of ENGRAFT_BENCH_DATA (a folder), or one made here.

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "bench/pictures.h"
#include "data/training_view.h"
#include "engraft/data/crops.h"
#include "engraft/data/image.h"

namespace engraft {
namespace {

constexpr int64_t kSide = 224;

/// Calls `work` with each picture in turn, on one thread.
template <typename Work>
void for_each_picture(benchmark::State& state, const Work& work) {
  at::set_num_threads(1);
  cv::setNumThreads(0);
  const auto& samples = bench::pictures();
  size_t i = 0;
  for (auto _ : state) work(samples[i++ % samples.size()]);
  state.SetItemsProcessed(state.iterations());
}

void Decode(benchmark::State& state) {
  for_each_picture(state, [](const Sample& sample) {
    benchmark::DoNotOptimize(decode_image(sample.path).data);
  });
}
BENCHMARK(Decode);

/// At reduced scale, as training decodes.
void DecodeReduced(benchmark::State& state) {
  for_each_picture(state, [](const Sample& sample) {
    benchmark::DoNotOptimize(decode_image(sample.path, kSide).data);
  });
}
BENCHMARK(DecodeReduced);

void Resize(benchmark::State& state) {
  const cv::Mat image = decode_image(bench::pictures()[0].path);
  for_each_picture(state, [&](const Sample&) {
    benchmark::DoNotOptimize(
        resize_shorter_side(image, 256, Interpolation::bilinear).data);
  });
}
BENCHMARK(Resize);

/// Decoding, random crop, mirror (and colours), normalisation.
void TrainingView(benchmark::State& state, bool colours) {
  auto settings = augment_settings(AugmentStrength::standard, {});
  if (!colours)
    settings.brightness = settings.contrast = settings.saturation =
        settings.hue = 0;
  const InputSpec spec;
  std::vector<float> out(3 * kSide * kSide);
  int64_t epoch = 0;
  for_each_picture(state, [&](const Sample& sample) {
    normalise_into(training_view(sample, settings, spec, 0, ++epoch), spec,
                   out.data());
    benchmark::DoNotOptimize(out.data());
  });
}
BENCHMARK_CAPTURE(TrainingView, crop_flip, false);
BENCHMARK_CAPTURE(TrainingView, colours, true);

/// Four views of one decoding, a picture's share of the time of all four.
void ViewsOfOneDecoding(benchmark::State& state) {
  const auto settings = augment_settings(AugmentStrength::standard, {});
  const InputSpec spec;
  std::vector<float> out(3 * kSide * kSide);
  for_each_picture(state, [&](const Sample& sample) {
    for_each_training_view(sample, settings, spec, 0, 1, 4,
                           [&](const cv::Mat& view) {
                             normalise_into(view, spec, out.data());
                             benchmark::DoNotOptimize(out.data());
                           });
  });
  state.SetItemsProcessed(4 * state.iterations());
}
BENCHMARK(ViewsOfOneDecoding);

void TenCrop(benchmark::State& state) {
  const InputSpec spec;
  std::vector<float> out(3 * kSide * kSide);
  for_each_picture(state, [&](const Sample& sample) {
    for (const cv::Mat& view :
         evaluation_views(decode_image(sample.path), spec, 10)) {
      normalise_into(view, spec, out.data());
      benchmark::DoNotOptimize(out.data());
    }
  });
}
BENCHMARK(TenCrop);

}  // namespace
}  // namespace engraft
