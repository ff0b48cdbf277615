#include "engraft/eval/evaluator.h"

#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "eval/tested_model.h"

namespace engraft {
namespace {

constexpr int64_t kTimedPictures = 64;

/// Of evaluation_views: four corners, then the centre.
int64_t centre_view(int64_t crops) { return crops == 1 ? 0 : 4; }

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// Seconds for all of the pictures with one crop, measured on a few.
double time_one_crop(FrozenPrefix& model, const InputSpec& input,
                     const std::vector<Sample>& samples,
                     const EvaluatorOptions& options) {
  const auto total = static_cast<int64_t>(samples.size());
  const int64_t count = std::min(total, kTimedPictures);
  std::vector<Sample> some;
  for (int64_t i = 0; i < count; ++i)
    some.push_back(samples[i * total / count]);
  const Stopwatch watch;
  Loader loader(some,
                view_loader(input, 1, options.batch_size, options.threads));
  loader.start_epoch(0);
  for_each_logits(loader, model,
                  [&](const Batch&, const torch::Tensor& logits) {
                    average_crops(logits, options.view.average);
                  });
  return watch.seconds() * static_cast<double>(total) /
         static_cast<double>(std::max<int64_t>(count, 1));
}

Json figures(const Evaluation& evaluation) {
  Json out;
  out["crops"] = evaluation.crops;
  out["average"] = name_of(evaluation.average);
  out.update(to_json(evaluation.metrics));
  out["seconds"] = evaluation.seconds;
  return out;
}

}  // namespace

torch::Tensor average_crops(const torch::Tensor& logits, CropAverage average) {
  const auto views = logits.to(torch::kFloat64);
  if (average == CropAverage::logits) return views.mean(1).log_softmax(-1);
  return views.log_softmax(-1).logsumexp(1) -
         std::log(static_cast<double>(views.size(1)));
}

Evaluated evaluate(const BlockChain& chain, const InputSpec& input,
                   const std::vector<Sample>& samples,
                   const EvaluatorOptions& options,
                   const std::vector<int64_t>& classes_of_interest,
                   const EvalProgress& progress) {
  const int64_t crops = options.view.crops;
  const auto total = static_cast<int64_t>(samples.size());
  FrozenPrefix model(chain, BlockChain::kWhole, options.inference,
                     total * crops);
  MetricsAccumulator averaged(classes_of_interest), centre(classes_of_interest);
  const Stopwatch watch;
  Loader loader(samples,
                view_loader(input, crops, options.batch_size, options.threads));
  loader.start_epoch(0);
  int64_t done = 0;
  for_each_logits(
      loader, model, [&](const Batch& batch, const torch::Tensor& logits) {
        averaged.add(average_crops(logits, options.view.average), batch.labels);
        if (crops > 1)
          centre.add(logits.select(1, centre_view(crops)).log_softmax(-1),
                     batch.labels);
        done += batch.labels.size(0);
        if (progress) progress(done, total);
      });
  const Evaluation main{crops, options.view.average, averaged.result(),
                        watch.seconds()};
  if (crops == 1) return {main, main, model.choice()};
  return {main,
          Evaluation{1, options.view.average, centre.result(),
                     time_one_crop(model, input, samples, options)},
          model.choice()};
}

Json to_json(const Report& report) {
  Json out;
  out["model"] = report.model;
  out["data"] = report.data;
  out["split"] = report.split;
  out["classes"] = report.classes;
  out.update(figures(report.main));
  out["one_crop"] = figures(report.one_crop);
  out["inference"] = to_json(report.inference);
  return out;
}

}  // namespace engraft
