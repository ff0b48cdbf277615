#include "eval/tested_model.h"

#include <torch/types.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "engraft/model/ensemble.h"

namespace engraft {
namespace {

void say_what_was_noticed(const Classifier& classifier, const EvalNote& note) {
  if (!note) return;
  for (const auto& text : classifier.notes) note(classifier.path + ": " + text);
  if (classifier.record.is_null())
    note(classifier.path + ": preprocessing from the " +
         classifier.input.source);
}

/// Its names are those of its outputs, as far as it has any.
void check_names(const Classifier& classifier, const BlockChain& chain) {
  const auto names = std::ssize(classifier.classes);
  const int64_t outputs = chain.head().classes;
  if (names > 0 && outputs > 0 && names != outputs)
    fail(Fault::model, classifier.path, ": has ", outputs, " outputs, but ",
         names, " names for them under \"classes\": list one for each, in ",
         "their order");
}

/// Every model against the first one, and its names against the first names.
void check_agreement(const std::vector<TestedModel>& models) {
  const TestedModel* named = nullptr;
  for (const TestedModel& model : models) {
    const Classifier& classifier = model.classifier;
    const std::string names =
        named ? class_difference(named->classifier, classifier) : "";
    if (!names.empty())
      fail(Fault::model, "models whose probabilities are averaged must have ",
           "the same classes in the same order, but ", names);
    const int64_t first = models[0].chain.head().classes;
    const int64_t here = model.chain.head().classes;
    if (here != first)
      fail(Fault::model, "models whose probabilities are averaged must have ",
           "the same classes, but ", models[0].classifier.path, " has ", first,
           " and ", classifier.path, " has ", here);
    if (!named && !classifier.classes.empty()) named = &model;
  }
}

}  // namespace

std::vector<TestedModel> load_tested_models(
    const std::vector<std::string>& paths, const InputOptions& options,
    const std::string& device, const EvalNote& note, SizeCheck check) {
  const torch::Device target = resolve_device(device);
  std::vector<TestedModel> out;
  for (const auto& path : paths) {
    const Classifier file = load_classifier(path, options, check);
    for (Classifier& classifier :
         is_ensemble(file) ? members_of(file) : std::vector<Classifier>{file}) {
      BlockChain chain(classifier);
      check_names(classifier, chain);
      chain.to(target);
      say_what_was_noticed(classifier, note);
      out.push_back({std::move(classifier), std::move(chain)});
    }
  }
  check_agreement(out);
  return out;
}

std::vector<std::string> paths_of(const std::string& model,
                                  const std::vector<std::string>& with) {
  std::vector<std::string> out{model};
  out.insert(out.end(), with.begin(), with.end());
  return out;
}

const std::vector<std::string>& class_names(
    const std::vector<TestedModel>& models) {
  for (const TestedModel& model : models)
    if (!model.classifier.classes.empty()) return model.classifier.classes;
  return models.at(0).classifier.classes;
}

LoaderOptions view_loader(const InputSpec& input, const ViewOptions& view,
                          int64_t batch_size, int64_t threads) {
  LoaderOptions out;
  out.input = input;
  out.crops = view.num_crops();
  out.scales = view.scales.values;
  out.batch_size = (batch_size + view.views() - 1) / view.views();
  // Two pictures ahead for every thread; many views of each take memory.
  const int64_t decoding =
      threads > 0 ? threads : std::thread::hardware_concurrency();
  out.prefetch = 1 + (2 * decoding + out.batch_size - 1) / out.batch_size;
  out.threads = threads;
  return out;
}

void ViewStream::begin(Batch batch) {
  Begun next;
  // The images are freed as soon as they are computed.
  const torch::Tensor images = std::exchange(batch.images, {});
  if (!batch.indices.empty())
    next.pending =
        model_.begin(images.dim() == 5 ? images.flatten(0, 1) : images);
  next.batch = std::move(batch);
  begun_.push_back(std::move(next));
}

std::optional<ViewStream::Item> ViewStream::next() {
  while (!ended_ && begun_.size() < 2) {
    auto batch = loader_.next();
    ended_ = !batch;
    if (batch) begin(std::move(*batch));
  }
  if (begun_.empty()) return std::nullopt;
  Begun first = std::move(begun_.front());
  begun_.pop_front();
  Item out{std::move(first.batch), {}};
  if (first.pending) out.given = first.pending->get();
  return out;
}

torch::Tensor views_apart(const torch::Tensor& logits, int64_t pictures) {
  return logits.to(torch::kCPU, torch::kFloat64)
      .reshape({pictures, logits.size(0) / pictures, logits.size(1)});
}

void for_each_logits(
    Loader& loader, FrozenPrefix& model,
    const std::function<void(const Batch&, const torch::Tensor&)>& each) {
  ViewStream stream(loader, model);
  while (const auto item = stream.next())
    each(item->batch, item->pictures() > 0
                          ? views_apart(item->given, item->pictures())
                          : torch::Tensor());
}

}  // namespace engraft
