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
    const std::string& device, const EvalNote& note,
    SizeCheck check = SizeCheck::run);

/// `model` and those after it.
std::vector<std::string> paths_of(const std::string& model,
                                  const std::vector<std::string>& with);

/// Class names of the first model that has any.
const std::vector<std::string>& class_names(
    const std::vector<TestedModel>& models);

/// Evaluation views in batches of about `batch_size` views, whole pictures.
LoaderOptions view_loader(const InputSpec& input, const ViewOptions& view,
                          int64_t batch_size, int64_t threads);

/// The batches of a loader's epoch, in order, with what a model, or its first
/// blocks, give for their views. The next batch is worked on meanwhile. Loader
/// and model must outlive it.
class ViewStream {
 public:
  ViewStream(Loader& loader, FrozenPrefix& model)
      : loader_(loader), model_(model) {}

  struct Item {
    Batch batch;  ///< without its images
    /// float32 [N * V, ...] for N pictures in V views; undefined for a batch
    /// without a readable picture.
    torch::Tensor given;
    int64_t pictures() const { return std::ssize(batch.indices); }
  };
  /// nullopt at the end of the epoch.
  std::optional<Item> next();

 private:
  struct Begun {
    Batch batch;
    std::optional<FrozenPrefix::Pending> pending;
  };
  void begin(Batch batch);

  Loader& loader_;
  FrozenPrefix& model_;
  bool ended_ = false;
  std::deque<Begun> begun_;
};

/// Logits of N pictures in V views, [N * V, C] -> float64 [N, V, C] on the CPU.
torch::Tensor views_apart(const torch::Tensor& logits, int64_t pictures);

/// Calls `each` with all of a ViewStream of a whole model, its logits as
/// views_apart has them.
void for_each_logits(
    Loader& loader, FrozenPrefix& model,
    const std::function<void(const Batch&, const torch::Tensor&)>& each);

}  // namespace engraft
