#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engraft/data/loader.h"
#include "engraft/eval/options.h"
#include "engraft/model/chain.h"
#include "engraft/model/classifier.h"
#include "engraft/model/prefix.h"

namespace engraft {

/// A model from a file, on its device.
struct TestedModel {
  Classifier classifier;
  BlockChain chain;
};

/// Loads what `eval` and `predict` test: one model, or several whose
/// probabilities are to be averaged. A file of several (model/ensemble.h)
/// counts as its members. `note` gets what was noticed on the way; may be
/// empty.
/// Throws Error(Fault::model), naming both files, when their numbers of
/// classes or the names of these differ.
std::vector<TestedModel> load_tested_models(
    const std::vector<std::string>& paths, const InputOptions& options,
    const std::string& device,
    const std::function<void(const std::string&)>& note);

/// `model` and those after it.
std::vector<std::string> paths_of(const std::string& model,
                                  const std::vector<std::string>& with);

/// Class names of the first model that has any.
const std::vector<std::string>& class_names(
    const std::vector<TestedModel>& models);

/// Evaluation views in batches of about `batch_size` views, whole pictures.
LoaderOptions view_loader(const InputSpec& input, const ViewOptions& view,
                          int64_t batch_size, int64_t threads);

/// The batches of a loader's epoch, in order, with the logits of their views.
/// The model works on the next batch meanwhile. Loader and model must outlive
/// it.
class LogitsStream {
 public:
  LogitsStream(Loader& loader, FrozenPrefix& model)
      : loader_(loader), model_(model) {}

  struct Item {
    Batch batch;  ///< without its images
    /// float64 on the CPU, [N, V, C] for N pictures in V views; undefined for
    /// a batch without a readable picture.
    torch::Tensor logits;
  };
  /// nullopt at the end of the epoch.
  std::optional<Item> next();

 private:
  struct Begun {
    Batch batch;
    int64_t pictures = 0;
    std::optional<FrozenPrefix::Pending> pending;
  };
  void begin(Batch batch);

  Loader& loader_;
  FrozenPrefix& model_;
  bool ended_ = false;
  std::deque<Begun> begun_;
};

/// Calls `each` with all of a LogitsStream.
void for_each_logits(
    Loader& loader, FrozenPrefix& model,
    const std::function<void(const Batch&, const torch::Tensor&)>& each);

}  // namespace engraft
