#include "engraft/eval/evaluator.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "eval/tested_model.h"
#include "eval/view_kinds.h"
#include "stopwatch.h"

namespace engraft {
namespace {

constexpr int64_t kTimedPictures = 64;

/// Seconds for all of the pictures with one crop of options.view, measured on
/// a few.
double time_one_crop(FrozenPrefix& model, const InputSpec& input,
                     const std::vector<Sample>& samples,
                     const EvaluatorOptions& options) {
  const auto total = static_cast<int64_t>(samples.size());
  const int64_t count = std::min(total, kTimedPictures);
  std::vector<Sample> some;
  for (int64_t i = 0; i < count; ++i)
    some.push_back(samples[i * total / count]);
  const ViewOptions one{
      1, options.view.average, {{centre_scale(options.view)}}};
  const Stopwatch watch;
  Loader loader(some,
                view_loader(input, one, options.batch_size, options.threads));
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
  out["scales"] = evaluation.scales;
  out["average"] = name_of(evaluation.average);
  out.update(to_json(evaluation.metrics));
  out["seconds"] = evaluation.seconds;
  return out;
}

Json sampled_figures(const SampledTest& test) {
  Json out = to_json(test.noise);
  out.update(figures(test.evaluation));
  for (const Separation& one : test.uncertainty)
    out["uncertainty"].push_back(to_json(one));
  return out;
}

}  // namespace

torch::Tensor average_crops(const torch::Tensor& logits, CropAverage average) {
  const auto views = logits.to(torch::kFloat64);
  if (average == CropAverage::logits) return views.mean(1).log_softmax(-1);
  return views.log_softmax(-1).logsumexp(1) -
         std::log(static_cast<double>(views.size(1)));
}

void take_over(Evaluated&& seen, Report& report) {
  report.main = std::move(seen.main);
  report.one_crop = std::move(seen.one_crop);
  report.views = std::move(seen.views);
  report.inference = std::move(seen.inference);
}

Evaluated evaluate(const BlockChain& chain, const InputSpec& input,
                   const std::vector<Sample>& samples,
                   const EvaluatorOptions& options,
                   const std::vector<int64_t>& classes_of_interest,
                   const EvalProgress& progress, const EvalScores& scores) {
  const ViewOptions& view = options.view;
  const auto total = static_cast<int64_t>(samples.size());
  FrozenPrefix model(chain, BlockChain::kWhole, options.inference,
                     total * view.views());
  ViewMetrics metrics(view, classes_of_interest);
  const Stopwatch watch;
  Loader loader(samples,
                view_loader(input, view, options.batch_size, options.threads));
  loader.start_epoch(0);
  int64_t done = 0;
  for_each_logits(loader, model,
                  [&](const Batch& batch, const torch::Tensor& logits) {
                    const auto each = metrics.add(logits, batch.labels);
                    if (scores) scores(each.back(), each.front());
                    done += batch.labels.size(0);
                    if (progress) progress(done, total);
                  });
  const Evaluation main{view.num_crops(), view.average, metrics.all(),
                        watch.seconds(), view.scales.values};
  if (view.views() == 1) return {main, main, model.choice(), metrics.each()};
  return {main,
          Evaluation{1,
                     view.average,
                     metrics.centre(),
                     time_one_crop(model, input, samples, options),
                     {centre_scale(view)}},
          model.choice(), metrics.each()};
}

Json to_json(const Report& report) {
  Json out;
  out["model"] = report.model;
  out["data"] = report.data;
  out["split"] = report.split;
  out["classes"] = report.classes;
  out.update(figures(report.main));
  out["one_crop"] = figures(report.one_crop);
  for (const auto& [view, top1, loss] : report.views)
    out["views"].push_back({{"view", view}, {"top1", top1}, {"loss", loss}});
  if (report.members.empty()) out["inference"] = to_json(report.inference);
  if (report.sampled) out["sampled"] = sampled_figures(*report.sampled);
  for (const Report& member : report.members) {
    Json one = to_json(member);
    for (const char* common : {"data", "split", "classes"}) one.erase(common);
    out["members"].push_back(std::move(one));
  }
  if (report.gain) out["gain"] = to_json(*report.gain);
  return out;
}

}  // namespace engraft
