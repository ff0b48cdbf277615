#include <torch/types.h>

#include <filesystem>
#include <set>

#include "engraft/eval/evaluator.h"
#include "eval/class_names.h"
#include "eval/evaluate_sampled.h"
#include "eval/note_files.h"
#include "eval/test_models.h"
#include "eval/tested_model.h"

namespace engraft {
namespace {

struct Selection {
  std::string split;
  std::vector<Sample> samples;
};

Selection select(const ImageFolder& folder, const std::string& wanted) {
  Selection out{wanted, {}};
  if (wanted == "auto")
    out.split = !folder.test.empty()   ? "test"
                : folder.has_own_split ? "val"
                                       : "all";
  const std::pair<const char*, const std::vector<Sample>*> parts[] = {
      {"train", &folder.train}, {"val", &folder.val}, {"test", &folder.test}};
  for (const auto& [name, samples] : parts)
    if (out.split == name || out.split == "all")
      out.samples.insert(out.samples.end(), samples->begin(), samples->end());
  if (out.samples.empty())
    fail(Fault::data, folder.root, ": no picture is in its ", out.split,
         " part; --split all takes every picture");
  return out;
}

std::vector<int64_t> outputs_of(const ImageFolder& folder,
                                const std::vector<TestedModel>& models) {
  const auto& classes = class_names(models);
  const std::string& path = models[0].classifier.path;
  const auto sidecar = std::filesystem::path(path).replace_extension(".json");
  if (classes.empty())
    fail(Fault::model, path, ": has ", models[0].chain.head().classes,
         " outputs but no names for them: list these in their order under ",
         "\"classes\" in ", sidecar.string());
  return match_classes(folder.root, folder.classes, classes);
}

/// Says when some of the pictures are among those that the model learned from.
void say_what_was_seen(const Classifier& classifier, const ImageFolder& folder,
                       const std::string& split, const EvalOptions& options,
                       const EvalNote& note) {
  if (classifier.record.is_null()) return;
  const Json dataset = classifier.record.value("dataset", Json::object());
  if (dataset.value("fingerprint", "") != folder.fingerprint) return;
  // A search's winner learns from those that validated its trials too.
  const bool held_out = dataset.value("val", int64_t{1}) > 0;
  const char* unseen = held_out              ? "val"
                       : folder.test.empty() ? nullptr
                                             : "test";
  if (split != "test" && (split != "val" || !held_out))
    note("the model was trained on pictures of this set" +
         (unseen ? ": --split " + std::string(unseen) +
                       " takes those that were held out"
                 : std::string()));
  const Json then = classifier.record.value("options", Json::object());
  const Json now = to_json(options);
  for (const char* key : {"val-fraction", "split-seed"})
    if (split == "val" && !folder.has_own_split && then.contains(key) &&
        then[key] != now[key])
      note("the model was trained with --" + std::string(key) + " " +
           then[key].dump() + ": only with the same here are the pictures " +
           "those that were held out");
}

/// With which a model was tested when it was trained, given or found right; ten
/// where its record does not say.
int64_t crops_of(const Json& record) {
  const Json* value = &record;
  for (const char* key : {"plan", "test_crops"}) {
    if (!value->is_object() || !value->contains(key)) return kTenCrops;
    value = &value->at(key);
  }
  if (!value->is_number_integer()) return kTenCrops;
  const auto crops = value->get<int64_t>();
  return is_crop_count(crops) ? crops : kTenCrops;
}

/// With the fewest that any model was tested with, where none are asked for.
ViewOptions settled(ViewOptions view, const std::vector<TestedModel>& models) {
  if (view.crops) return view;
  view.crops = kTenCrops;
  for (const TestedModel& model : models)
    view.crops = std::min(*view.crops, crops_of(model.classifier.record));
  return view;
}

/// What --mc-samples asks for, before any picture is read.
std::optional<Sampler> make_sampler(std::vector<TestedModel>& models,
                                    const EvalOptions& options) {
  if (options.sampling.mc_samples == 0) return std::nullopt;
  check_one_model(models, options.model);
  return Sampler(models[0], options.sampling, options.run.seed);
}

/// Pass `part` of `parts` over the same pictures.
EvalProgress share_of(const EvalProgress& progress, int64_t part,
                      int64_t parts) {
  if (!progress) return {};
  return [=](int64_t done, int64_t total) {
    progress(part * total + done, parts * total);
  };
}

}  // namespace

Report evaluate_model(const EvalOptions& options, const EvalProgress& progress,
                      const EvalNote& note) {
  options.validate();
  auto models = load_tested_models(paths_of(options.model, options.with),
                                   options.input, options.run.device, note);
  const auto sampler = make_sampler(models, options);
  const ImageFolder folder =
      scan_image_folder(options.data, options.data_options, options.run.threads,
                        "", DataUse::test);
  note_files(folder.left_out, "left out", note);
  note_files(folder.unreadable, "skipped", note);
  const auto outputs = outputs_of(folder, models);
  Selection selection = select(folder, options.split);
  std::set<std::string> said;  // of several models once
  for (const TestedModel& model : models)
    say_what_was_seen(model.classifier, folder, selection.split, options,
                      [&](const std::string& text) {
                        if (note && said.insert(text).second) note(text);
                      });
  for (auto& sample : selection.samples) sample.label = outputs[sample.label];

  Report report;
  report.model = options.model;
  report.data = options.data;
  report.split = selection.split;
  for (const int64_t output : outputs)
    report.classes.push_back(class_names(models)[output]);
  const EvaluatorOptions how{settled(options.view, models), options.batch_size,
                             options.run.threads, options.run.inference};
  const int64_t passes = sampler ? 2 : 1;
  report = test_models(models, std::move(report), selection.samples, how,
                       outputs, share_of(progress, 0, passes));
  if (sampler)
    report.sampled =
        evaluate_sampled(models[0], *sampler, selection.samples, how, outputs,
                         share_of(progress, 1, passes));
  return report;
}

}  // namespace engraft
