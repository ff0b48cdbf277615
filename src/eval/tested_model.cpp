#include "eval/tested_model.h"

#include <torch/types.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <thread>
#include <utility>

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
  // Two pictures ahead for every thread; ten views of each take memory.
  const int64_t decoding =
      threads > 0 ? threads : std::thread::hardware_concurrency();
  out.prefetch = 1 + (2 * decoding + out.batch_size - 1) / out.batch_size;
  out.threads = threads;
  return out;
}

void for_each_logits(
    Loader& loader, FrozenPrefix& model,
    const std::function<void(const Batch&, const torch::Tensor&)>& each) {
  struct Begun {
    Batch batch;
    int64_t pictures = 0;
    std::optional<FrozenPrefix::Pending> pending;
  };
  std::deque<Begun> begun;
  const auto finish = [&] {
    Begun& first = begun.front();
    torch::Tensor logits;
    if (first.pending) {
      const auto flat = first.pending->get();
      logits = flat.to(torch::kCPU, torch::kFloat64)
                   .reshape({first.pictures, flat.size(0) / first.pictures,
                             flat.size(1)});
    }
    each(first.batch, logits);
    begun.pop_front();
  };
  while (auto batch = loader.next()) {
    Begun next;
    next.pictures = std::ssize(batch->indices);
    // The images are freed as soon as they are computed.
    const torch::Tensor images = std::exchange(batch->images, {});
    if (next.pictures > 0)
      next.pending =
          model.begin(images.dim() == 5 ? images.flatten(0, 1) : images);
    next.batch = std::move(*batch);
    begun.push_back(std::move(next));
    if (begun.size() > 1) finish();
  }
  while (!begun.empty()) finish();
}

}  // namespace engraft
