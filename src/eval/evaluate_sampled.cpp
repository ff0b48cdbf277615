#include "eval/evaluate_sampled.h"

#include <torch/types.h>

#include <array>
#include <utility>

#include "engraft/model/sampled_prediction.h"
#include "eval/mean_probabilities.h"
#include "stopwatch.h"

namespace engraft {
namespace {

constexpr std::array kMeasures{"1 - probability", "spread", "entropy",
                               "mutual information"};

/// kMeasures of each picture: float64 [N, 4].
torch::Tensor measures(const SampledPrediction& seen) {
  const auto [probability, predicted] = seen.mean.max(1, /*keepdim=*/true);
  return torch::cat(
      {1 - probability, seen.std.gather(1, predicted),
       seen.entropy.unsqueeze(1), seen.mutual_information.unsqueeze(1)},
      1);
}

std::vector<Separation> separations(const torch::Tensor& uncertainty,
                                    const torch::Tensor& right) {
  std::vector<Separation> out;
  for (size_t i = 0; i < kMeasures.size(); ++i)
    out.push_back(separation(
        kMeasures[i], uncertainty.select(1, static_cast<int64_t>(i)), right));
  return out;
}

}  // namespace

SampledTest evaluate_sampled(const TestedModel& model, const Sampler& sampler,
                             const std::vector<Sample>& samples,
                             const EvaluatorOptions& options,
                             const std::vector<int64_t>& classes_of_interest,
                             const EvalProgress& progress) {
  const ViewOptions& view = options.view;
  const int64_t total = std::ssize(samples);
  FrozenPrefix prefix(model.chain, sampler.first(), options.inference,
                      total * view.views());
  MetricsAccumulator metrics(classes_of_interest);
  std::vector<torch::Tensor> uncertainty, right;
  int64_t done = 0;
  const Stopwatch watch;
  Loader loader(samples, view_loader(model.classifier.input, view,
                                     options.batch_size, options.threads));
  loader.start_epoch(0);
  ViewStream stream(loader, prefix);
  while (const auto item = stream.next()) {
    const auto sampled =
        sampler.sample(item->given, item->pictures(), view.average);
    const auto scores = log_mean_of_samples(sampled);
    metrics.add(scores, item->batch.labels);
    right.push_back(hits(scores, item->batch.labels));
    uncertainty.push_back(measures(summarise_samples(sampled)));
    done += item->pictures();
    if (progress) progress(done, total);
  }
  const Evaluation figures{view.num_crops(), view.average, metrics.result(),
                           watch.seconds(), view.scales.values};
  return {sampler.noise(), sampler.text(), figures,
          separations(torch::cat(uncertainty), torch::cat(right))};
}

}  // namespace engraft
