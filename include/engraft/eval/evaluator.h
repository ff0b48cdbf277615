#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engraft/data/image_folder.h"
#include "engraft/eval/metrics.h"
#include "engraft/model/chain.h"
#include "engraft/options.h"

namespace engraft {

/// Averages over the crops, in float64.
/// logits [N, V, C] -> log probabilities float64 [N, C]:
/// softmax: log of the mean of the views' softmax; logits: log_softmax of the
/// mean of the logits.
torch::Tensor average_crops(const torch::Tensor& logits, CropAverage average);

/// A test of a model on pictures.
struct Evaluation {
  int64_t crops = 1;
  Metrics metrics;
  double seconds = 0;
};

/// `crops` views beside one, as `engraft eval` prints it.
struct Report {
  std::string model, data, split;
  std::vector<std::string> classes;  ///< rows of the confusion matrix
  Evaluation main;                   ///< with view.crops
  Evaluation one_crop;
};

/// Called after each batch with pictures done and pictures in all.
using EvalProgress = std::function<void(int64_t, int64_t)>;

/// Streams the pictures once; centre-crop figures come from the same pass
/// where its view is among the crops, with its own share of the time.
/// Labels of `samples` index the model's outputs.
struct EvaluatorOptions {
  ViewOptions view;
  int64_t batch_size = 16;
  int64_t threads = 0;
};
/// classes_of_interest as in compute_metrics.
std::pair<Evaluation, Evaluation> evaluate(
    const BlockChain& chain, const InputSpec& input,
    const std::vector<Sample>& samples, const EvaluatorOptions& options,
    const std::vector<int64_t>& classes_of_interest = {},
    const EvalProgress& progress = {});

/// `engraft eval`, whole. Throws Error(Fault::data) when a folder of DATA is
/// not a class of the model, naming both sides.
Report evaluate_model(const EvalOptions& options,
                      const EvalProgress& progress = {});

/// Keys: model, data, split, images, classes, crops, average, top1, top1_ci95,
/// top5, mean_per_class, macro_f1, loss, confusion, seconds, and one_crop with
/// the same figures.
Json to_json(const Report& report);

}  // namespace engraft
