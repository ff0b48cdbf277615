#pragma once

#include <functional>
#include <string>

#include "engraft/data/loader.h"
#include "engraft/model/chain.h"
#include "engraft/model/classifier.h"
#include "engraft/model/prefix.h"

namespace engraft {

/// A model from a file, on its device.
struct TestedModel {
  Classifier classifier;
  BlockChain chain;
};

/// Loads options.model for `eval` and `predict`. `note` gets what was noticed
/// on the way; may be empty.
TestedModel load_tested_model(
    const std::string& path, const InputOptions& options,
    const std::string& device,
    const std::function<void(const std::string&)>& note);

/// Evaluation views in batches of about `batch_size` views, whole pictures.
LoaderOptions view_loader(const InputSpec& input, int64_t crops,
                          int64_t batch_size, int64_t threads);

/// Calls `each` with every batch of the loader's epoch, in order, and the
/// logits of its views, float64 on the CPU, [N, V, C] for N pictures in V
/// views; undefined for a batch without a readable picture. The model works on
/// the next batch meanwhile.
void for_each_logits(
    Loader& loader, FrozenPrefix& model,
    const std::function<void(const Batch&, const torch::Tensor&)>& each);

}  // namespace engraft
