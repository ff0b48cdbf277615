#include "engraft/eval/predict.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engraft/data/loader.h"
#include "engraft/eval/evaluator.h"
#include "eval/tested_model.h"

namespace engraft {
namespace {

std::vector<Sample> samples_of(const std::vector<std::string>& paths) {
  std::vector<Sample> samples;
  for (auto& path : list_pictures(paths)) samples.push_back({path, 0, ""});
  if (samples.empty())
    fail(Fault::data, paths.empty() ? "no picture was named"
                                    : paths.front() + ": no picture in it");
  return samples;
}

std::string name_at(const Classifier& classifier, int64_t index) {
  const auto& names = classifier.classes;
  return index < static_cast<int64_t>(names.size()) ? names[index]
                                                    : std::to_string(index);
}

/// The `top` likeliest classes; of equal ones the lower index first.
std::vector<Prediction::Score> ranked(const torch::Tensor& log_probabilities,
                                      const Classifier& classifier,
                                      int64_t top) {
  const auto scores = log_probabilities.contiguous();
  const double* values = scores.data_ptr<double>();
  std::vector<int64_t> order(scores.numel());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto last =
      order.begin() + std::min(top, static_cast<int64_t>(order.size()));
  std::partial_sort(order.begin(), last, order.end(), [&](auto a, auto b) {
    return values[a] != values[b] ? values[a] > values[b] : a < b;
  });
  std::vector<Prediction::Score> out;
  for (auto it = order.begin(); it != last; ++it)
    out.push_back({*it, name_at(classifier, *it), std::exp(values[*it])});
  return out;
}

/// The predictions of one batch, in the order of the samples.
std::vector<Prediction> predictions(const Batch& batch,
                                    const std::vector<Sample>& samples,
                                    const TestedModel& model,
                                    const torch::Tensor& logits,
                                    const PredictOptions& options) {
  std::vector<std::pair<int64_t, Prediction>> found;
  for (const auto& lost : batch.unreadable)
    found.push_back({lost.index, {samples[lost.index].path, {}, lost.message}});
  torch::Tensor scores;
  if (!batch.indices.empty())
    scores = average_crops(logits, options.view.average);
  for (size_t n = 0; n < batch.indices.size(); ++n) {
    const auto row = scores[static_cast<int64_t>(n)];
    Prediction one{samples[batch.indices[n]].path, {}, ""};
    if (row.isnan().any().item<bool>())
      fail(Fault::model, options.model, ": its output is not a number for ",
           one.path, ": its weights are broken");
    one.top = ranked(row, model.classifier, options.top);
    found.push_back({batch.indices[n], std::move(one)});
  }
  std::sort(found.begin(), found.end(),
            [](auto& a, auto& b) { return a.first < b.first; });
  std::vector<Prediction> out;
  for (auto& [index, one] : found) out.push_back(std::move(one));
  return out;
}

}  // namespace

int64_t predict(const PredictOptions& options,
                const std::function<void(const Prediction&)>& each,
                const std::function<void(const std::string&)>& note) {
  options.validate();
  const auto samples = samples_of(options.paths);
  const TestedModel model =
      load_tested_model(options.model, options.input, options.run.device, note);
  FrozenPrefix prefix(model.chain, BlockChain::kWhole, options.run.inference,
                      std::ssize(samples) * options.view.crops);
  LoaderOptions loading =
      view_loader(model.classifier.input, options.view.crops,
                  options.batch_size, options.run.threads);
  loading.keep_going = true;
  Loader loader(samples, loading);
  loader.start_epoch(0);
  int64_t unreadable = 0;
  for_each_logits(loader, prefix,
                  [&](const Batch& batch, const torch::Tensor& logits) {
                    for (const auto& one :
                         predictions(batch, samples, model, logits, options)) {
                      unreadable += !one.error.empty();
                      each(one);
                    }
                  });
  if (note && options.run.verbose) note("inference " + prefix.choice().text());
  return unreadable;
}

Json to_json(const Prediction& prediction) {
  Json out;
  out["path"] = prediction.path;
  if (!prediction.error.empty()) {
    out["error"] = prediction.error;
    return out;
  }
  out["class"] = prediction.top.at(0).name;
  out["probability"] = prediction.top.at(0).probability;
  out["top"] = Json::array();
  for (const auto& score : prediction.top)
    out["top"].push_back({{"class", score.name},
                          {"index", score.index},
                          {"probability", score.probability}});
  return out;
}

}  // namespace engraft
