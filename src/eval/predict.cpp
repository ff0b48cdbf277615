#include "engraft/eval/predict.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "engraft/data/loader.h"
#include "engraft/eval/evaluator.h"
#include "engraft/model/sampled_prediction.h"
#include "eval/mean_probabilities.h"
#include "eval/note_files.h"
#include "eval/sampler.h"
#include "eval/tested_model.h"

namespace engraft {
namespace {

std::vector<Sample> samples_of(const std::vector<std::string>& paths,
                               const EvalNote& note) {
  const ListedPictures listed = list_pictures(paths);
  note_files(listed.left_out, "left out", note);
  std::vector<Sample> samples;
  for (const auto& path : listed.paths) samples.push_back({path, 0, ""});
  if (samples.empty())
    fail(Fault::data, paths.empty() ? "no picture was named"
                                    : paths.front() + ": no picture in it");
  return samples;
}

using Names = std::vector<std::string>;

std::string name_at(const Names& names, int64_t index) {
  return index < std::ssize(names) ? names[index] : std::to_string(index);
}

/// The `top` likeliest classes; of equal ones the lower index first.
/// log_probabilities  float64 [C]
std::vector<Prediction::Score> ranked(const torch::Tensor& log_probabilities,
                                      const Names& names, int64_t top) {
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
    out.push_back({*it, name_at(names, *it), std::exp(values[*it])});
  return out;
}

/// A batch of pictures and what a model, or the mean of several, says of them.
struct Scored {
  Batch batch;
  torch::Tensor scores;  ///< log probabilities, float64 [N, C], if N > 0
  std::optional<SampledPrediction> sampled;  ///< the same with its spread
};

/// A model at work on the pictures.
class Predictor {
 public:
  /// Both must outlive it.
  Predictor(TestedModel& model, const std::vector<Sample>& samples,
            const PredictOptions& options)
      : path_(model.classifier.path),
        samples_(samples),
        average_(options.view.average),
        sampler_(make_sampler(model, options)),
        prefix_(model.chain, sampler_ ? sampler_->first() : BlockChain::kWhole,
                options.run.inference,
                std::ssize(samples) * options.view.views()),
        loader_(samples, loading(model.classifier.input, options)),
        stream_(loader_, prefix_) {
    loader_.start_epoch(0);
  }

  std::optional<Scored> next() {
    auto item = stream_.next();
    if (!item) return std::nullopt;
    const int64_t pictures = item->pictures();
    Scored out{std::move(item->batch), {}, {}};
    if (pictures == 0) return out;
    if (sampler_) {
      const auto samples = sampler_->sample(item->given, pictures, average_);
      out.scores = log_mean_of_samples(samples);
      out.sampled = summarise_samples(samples);
    } else {
      out.scores = average_crops(views_apart(item->given, pictures), average_);
    }
    check_numbers(out);
    return out;
  }

  const std::string& path() const { return path_; }
  const PrefixChoice& choice() const { return prefix_.choice(); }

 private:
  static std::optional<Sampler> make_sampler(TestedModel& model,
                                             const PredictOptions& options) {
    if (options.sampling.mc_samples == 0) return std::nullopt;
    return Sampler(model, options.sampling, options.run.seed);
  }

  static LoaderOptions loading(const InputSpec& input,
                               const PredictOptions& options) {
    LoaderOptions out = view_loader(input, options.view, options.batch_size,
                                    options.run.threads);
    out.keep_going = true;
    return out;
  }

  void check_numbers(const Scored& scored) const {
    const auto broken = scored.scores.isnan().any(1).nonzero();
    if (broken.size(0) > 0)
      fail(Fault::model, path_, ": its output is not a number for ",
           samples_[scored.batch.indices[broken[0].item<int64_t>()]].path,
           ": its weights are broken");
  }

  const std::string path_;
  const std::vector<Sample>& samples_;
  CropAverage average_;
  const std::optional<Sampler> sampler_;
  FrozenPrefix prefix_;
  Loader loader_;
  ViewStream stream_;
};

/// Several models side by side, each on pictures prepared as it wants them.
class Predictors {
 public:
  Predictors(std::vector<TestedModel>& models,
             const std::vector<Sample>& samples,
             const PredictOptions& options) {
    for (TestedModel& model : models)
      each_.push_back(std::make_unique<Predictor>(model, samples, options));
  }

  /// The mean of their probabilities.
  std::optional<Scored> next() {
    auto out = each_[0]->next();
    if (!out || each_.size() == 1) return out;
    std::vector<torch::Tensor> scores{out->scores};
    for (size_t i = 1; i < each_.size(); ++i) {
      const auto other = each_[i]->next();
      if (!other || other->batch.indices != out->batch.indices)
        fail(Fault::data, "a picture was changed while it was read");
      scores.push_back(other->scores);
    }
    if (!out->batch.indices.empty()) out->scores = log_mean(scores);
    return out;
  }

  /// How each model was computed.
  std::vector<std::string> choices() const {
    std::vector<std::string> out;
    for (const auto& one : each_)
      out.push_back((each_.size() > 1 ? "inference of " + one->path() + ": "
                                      : "inference ") +
                    one->choice().text());
    return out;
  }

 private:
  std::vector<std::unique_ptr<Predictor>> each_;
};

Prediction prediction(const std::string& path, const Scored& scored, int64_t n,
                      const Names& names, int64_t top) {
  Prediction out{path, ranked(scored.scores[n], names, top), "", {}, {}};
  if (!scored.sampled) return out;
  for (auto& score : out.top)
    score.spread = scored.sampled->std[n][score.index].item<double>();
  out.entropy = scored.sampled->entropy[n].item<double>();
  out.mutual_information = scored.sampled->mutual_information[n].item<double>();
  return out;
}

/// The predictions of one batch, in the order of the samples.
std::vector<Prediction> predictions(const Scored& scored,
                                    const std::vector<Sample>& samples,
                                    const Names& names, int64_t top) {
  const Batch& batch = scored.batch;
  std::vector<std::pair<int64_t, Prediction>> found;
  for (const auto& lost : batch.unreadable)
    found.push_back(
        {lost.index, {samples[lost.index].path, {}, lost.message, {}, {}}});
  for (size_t n = 0; n < batch.indices.size(); ++n)
    found.push_back(
        {batch.indices[n], prediction(samples[batch.indices[n]].path, scored,
                                      static_cast<int64_t>(n), names, top)});
  std::sort(found.begin(), found.end(),
            [](auto& a, auto& b) { return a.first < b.first; });
  std::vector<Prediction> out;
  for (auto& [index, one] : found) out.push_back(std::move(one));
  return out;
}

/// All at work, and the first batch.
struct Started {
  std::vector<std::string> notes;
  std::vector<TestedModel> models;
  std::unique_ptr<Predictors> predictors;
  std::optional<Scored> first;
};

Started start(const PredictOptions& options, const std::vector<Sample>& samples,
              SizeCheck check) {
  Started out;
  out.models = load_tested_models(
      paths_of(options.model, options.with), options.input, options.run.device,
      [&](const std::string& text) { out.notes.push_back(text); }, check);
  if (options.sampling.mc_samples > 0)
    check_one_model(out.models, options.model);
  out.predictors = std::make_unique<Predictors>(out.models, samples, options);
  out.first = out.predictors->next();
  return out;
}

/// The first pictures show whether a model runs on the size that it names:
/// trying that beforehand would take a tenth of the time of one picture. What
/// is no Error of ours is looked into with the check.
Started start(const PredictOptions& options,
              const std::vector<Sample>& samples) {
  try {
    return start(options, samples, SizeCheck::skip);
  } catch (const Error&) {
    throw;
  } catch (const std::exception&) {
    return start(options, samples, SizeCheck::run);
  }
}

}  // namespace

int64_t predict(const PredictOptions& given,
                const std::function<void(const Prediction&)>& each,
                const EvalNote& note) {
  PredictOptions options = given;
  // A configuration file may leave it open, which elsewhere means ten.
  options.view.crops = options.view.crops.value_or(kCentreCrop);
  options.validate();
  const auto samples = samples_of(options.paths, note);
  Started begun = start(options, samples);
  if (note)
    for (const auto& text : begun.notes) note(text);
  const Names& names = class_names(begun.models);
  int64_t unreadable = 0;
  for (auto scored = std::move(begun.first); scored;
       scored = begun.predictors->next())
    for (const auto& one : predictions(*scored, samples, names, options.top)) {
      unreadable += !one.error.empty();
      each(one);
    }
  if (note && options.run.verbose)
    for (const auto& text : begun.predictors->choices()) note(text);
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
  for (const auto& score : prediction.top) {
    out["top"].push_back({{"class", score.name},
                          {"index", score.index},
                          {"probability", score.probability}});
    if (score.spread) out["top"].back()["spread"] = *score.spread;
  }
  if (!prediction.entropy) return out;
  out["spread"] = spelled(prediction.top[0].spread);
  out["entropy"] = *prediction.entropy;
  out["mutual_information"] = spelled(prediction.mutual_information);
  return out;
}

}  // namespace engraft
