#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engraft/data/image_folder.h"
#include "engraft/eval/gain.h"
#include "engraft/eval/metrics.h"
#include "engraft/eval/options.h"
#include "engraft/eval/separation.h"
#include "engraft/model/chain.h"
#include "engraft/model/prefix.h"

namespace engraft {

/// Averages over the crops, in float64.
/// logits [N, V, C] -> log probabilities float64 [N, C]:
/// softmax: log of the mean of the views' softmax; logits: log_softmax of the
/// mean of the logits.
torch::Tensor average_crops(const torch::Tensor& logits, CropAverage average);

/// A test of a model on pictures.
struct Evaluation {
  int64_t crops = 1;  ///< at each scale
  CropAverage average = CropAverage::softmax;
  Metrics metrics;
  double seconds = 0;             ///< for all of the pictures; see evaluate
  std::vector<double> scales{1};  ///< factors on the shorter side
};

/// What some of a test's views give alone.
struct ViewFigures {
  std::string view;  ///< "centre", "ten crops", "scale 1.15, ten crops", "all"
  double top1 = 0;   ///< in [0, 1]
  double loss = 0;   ///< nats
};

/// A test in which the probabilities of random masks are averaged.
struct SampledTest {
  SamplingOptions noise;  ///< as it was sampled
  std::string text;       ///< the same in words, and where it falls
  Evaluation evaluation;  ///< with the views of Report::main
  /// Of 1 - the probability of the predicted class, of that probability's
  /// standard deviation over the samples, and of SampledPrediction's entropy
  /// and mutual information.
  std::vector<Separation> uncertainty;
};

/// All views beside one, as `engraft eval` prints it.
struct Report {
  std::string model, data, split;
  std::vector<std::string> classes;  ///< rows of the confusion matrix
  Evaluation main;                   ///< with view.crops at view.scales
  Evaluation one_crop;
  std::vector<ViewFigures> views;  ///< see Evaluated
  PrefixChoice inference;  ///< how the model was computed; not of several
  std::optional<SampledTest> sampled;
  /// Where the probabilities of several models are averaged: each by itself,
  /// and what their mean gains over the best of them.
  std::vector<Report> members;
  std::optional<Gain> gain;
};

/// Called after each batch with pictures done and pictures in all.
using EvalProgress = std::function<void(int64_t, int64_t)>;

/// Called with the log probabilities of the next pictures, float64 [n, C]: with
/// all crops, and with one (the same tensor where that is the same).
using EvalScores =
    std::function<void(const torch::Tensor&, const torch::Tensor&)>;

struct EvaluatorOptions {
  ViewOptions view;
  int64_t batch_size = 40;  ///< views in one forward pass, about
  int64_t threads = 0;      ///< that decode; 0 for one a core
  InferenceKind inference = InferenceKind::automatic;
};

/// What evaluate returns.
struct Evaluated {
  Evaluation main;      ///< with view.crops crops at each scale
  Evaluation one_crop;  ///< see evaluate
  PrefixChoice inference;
  /// Of the centre crop, of the crops of each scale and, where there are
  /// several scales, of all. The centre crop's scale is 1 where that is among
  /// the scales, else their first.
  std::vector<ViewFigures> views;
};

/// Moves the figures into the report that they belong to.
void take_over(Evaluated&& seen, Report& report);

/// Streams the pictures once, in memory that does not grow with their number.
/// Labels of `samples` index the model's outputs. classes_of_interest as in
/// compute_metrics.
///
/// Returns the figures with all views, and those with one. With several views
/// the latter are the centre crop's of the same pass, so both judge the same
/// pixels; their `seconds` are measured by a second, true one-crop pass
/// over up to 64 of the pictures, spread evenly, and scaled to all of them.
/// Throws as Loader does.
Evaluated evaluate(const BlockChain& chain, const InputSpec& input,
                   const std::vector<Sample>& samples,
                   const EvaluatorOptions& options,
                   const std::vector<int64_t>& classes_of_interest = {},
                   const EvalProgress& progress = {},
                   const EvalScores& scores = {});

/// `engraft eval`, whole. Folders of DATA are matched with the model's classes
/// by name: letter case does not count, '_' stands for a space, and one of the
/// synonyms of a class like 'ant, emmet, pismire' is enough.
/// Throws Error(Fault::data) when a folder is no class of the model or may be
/// several, naming both sides, and when the split is empty; Error(Fault::model)
/// when no model names its classes, or those of several models differ.
Report evaluate_model(const EvalOptions& options,
                      const EvalProgress& progress = {},
                      const EvalNote& note = {});

/// Keys: model, data, split, classes (of the confusion matrix's rows), crops,
/// scales, average, images, top1, top1_ci95, top5, mean_per_class, macro_f1,
/// loss, confusion, seconds, one_crop with the same figures from crops on,
/// views, a list of view, top1 and loss, inference, and, where masks were
/// sampled, sampled: mc-samples and the other options of SamplingOptions, the
/// same figures, and uncertainty, a list of Separations. Of several models
/// there are instead of views and inference: members, a list of model, the same
/// figures, one_crop, views and inference; and gain.
Json to_json(const Report& report);

}  // namespace engraft
