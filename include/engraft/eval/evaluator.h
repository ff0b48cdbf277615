#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engraft/data/image_folder.h"
#include "engraft/eval/metrics.h"
#include "engraft/eval/options.h"
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
  int64_t crops = 1;
  CropAverage average = CropAverage::softmax;
  Metrics metrics;
  double seconds = 0;  ///< for all of the pictures; see evaluate
};

/// `crops` views beside one, as `engraft eval` prints it.
struct Report {
  std::string model, data, split;
  std::vector<std::string> classes;  ///< rows of the confusion matrix
  Evaluation main;                   ///< with view.crops
  Evaluation one_crop;
  PrefixChoice inference;  ///< how the model was computed
};

/// Called after each batch with pictures done and pictures in all.
using EvalProgress = std::function<void(int64_t, int64_t)>;

/// What is worth saying to a person, one sentence each.
using EvalNote = std::function<void(const std::string&)>;

struct EvaluatorOptions {
  ViewOptions view;
  int64_t batch_size = 40;  ///< views in one forward pass, about
  int64_t threads = 0;      ///< that decode; 0 for one a core
  InferenceKind inference = InferenceKind::automatic;
};

/// What evaluate returns.
struct Evaluated {
  Evaluation main;      ///< with view.crops crops
  Evaluation one_crop;  ///< see evaluate
  PrefixChoice inference;
};

/// Streams the pictures once, in memory that does not grow with their number.
/// Labels of `samples` index the model's outputs. classes_of_interest as in
/// compute_metrics.
///
/// Returns the figures with view.crops crops, and those with one. With 5 or 10
/// crops the latter are the centre crop's of the same pass, so both judge the
/// same pixels; their `seconds` are measured by a second, true one-crop pass
/// over up to 64 of the pictures, spread evenly, and scaled to all of them.
/// Throws as Loader does.
Evaluated evaluate(const BlockChain& chain, const InputSpec& input,
                   const std::vector<Sample>& samples,
                   const EvaluatorOptions& options,
                   const std::vector<int64_t>& classes_of_interest = {},
                   const EvalProgress& progress = {});

/// `engraft eval`, whole. Folders of DATA are matched with the model's classes
/// by name: letter case does not count, '_' stands for a space, and one of the
/// synonyms of a class like 'ant, emmet, pismire' is enough.
/// Throws Error(Fault::data) when a folder is no class of the model or may be
/// several, naming both sides, and when the split is empty; Error(Fault::model)
/// when the model names no classes.
Report evaluate_model(const EvalOptions& options,
                      const EvalProgress& progress = {},
                      const EvalNote& note = {});

/// Keys: model, data, split, classes (of the confusion matrix's rows), crops,
/// average, images, top1, top1_ci95, top5, mean_per_class, macro_f1, loss,
/// confusion, seconds, and one_crop with the same figures from crops on.
Json to_json(const Report& report);

}  // namespace engraft
