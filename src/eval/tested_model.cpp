#include "eval/tested_model.h"

#include <torch/types.h>

#include <algorithm>

namespace engraft {

TestedModel load_tested_model(
    const std::string& path, const InputOptions& options,
    const std::string& device,
    const std::function<void(const std::string&)>& note) {
  const torch::Device target = resolve_device(device);
  Classifier classifier = load_classifier(path, options);
  BlockChain chain(classifier);
  chain.to(target);
  if (note) {
    for (const auto& text : classifier.notes) note(path + ": " + text);
    if (classifier.record.is_null())
      note(path + ": preprocessing from the " + classifier.input.source);
  }
  return {std::move(classifier), std::move(chain)};
}

LoaderOptions view_loader(const InputSpec& input, int64_t crops,
                          int64_t batch_size, int64_t threads) {
  LoaderOptions out;
  out.input = input;
  out.crops = crops;
  out.batch_size = (batch_size + crops - 1) / crops;
  // Enough pictures ahead to keep many threads busy on small batches.
  out.prefetch = std::max<int64_t>(4, 32 / out.batch_size);
  out.threads = threads;
  return out;
}

torch::Tensor view_logits(FrozenPrefix& model, const torch::Tensor& images) {
  const int64_t views = images.dim() == 5 ? images.size(1) : 1;
  const auto flat = images.dim() == 5 ? images.flatten(0, 1) : images;
  const auto logits = model.run(flat);
  return logits.to(torch::kCPU, torch::kFloat64)
      .reshape({images.size(0), views, logits.size(1)});
}

}  // namespace engraft
