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

/// Logits of the views, float64 on the CPU: images [N, 3, H, W] -> [N, 1, C],
/// [N, V, 3, H, W] -> [N, V, C].
torch::Tensor view_logits(FrozenPrefix& model, const torch::Tensor& images);

}  // namespace engraft
