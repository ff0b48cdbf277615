#include "engraft/train/trainer.h"

#include <c10/util/accumulate.h>
#include <sys/resource.h>
#include <torch/version.h>

#include <chrono>
#include <filesystem>

#include "engraft/data/preview.h"
#include "engraft/eval/calibration.h"
#include "engraft/model/surgery.h"
#include "engraft/policy/cost.h"
#include "engraft/train/fit.h"
#include "model/autocast.h"
#include "train/measure_speed.h"
#include "train/phase_progress.h"
#include "train/snapshots.h"
#include "train/solved_head.h"
#include "train/step_options.h"

namespace engraft {
namespace {

using Clock = std::chrono::steady_clock;

/// Notes how long it is since the last note.
class PhaseClock {
 public:
  explicit PhaseClock(Phases& phases) : phases_(phases) {}
  void end(const char* phase) {
    const auto now = Clock::now();
    phases_.emplace_back(phase,
                         std::chrono::duration<double>(now - last_).count());
    last_ = now;
  }
  /// Seconds since the first phase began.
  double total() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
  }

 private:
  Phases& phases_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
};

PlanInputs plan_inputs(const BlockChain& chain, const ImageFolder& folder,
                       bool frozen_graph) {
  PlanInputs inputs;
  inputs.images_per_class = folder.counts(folder.train);
  inputs.num_blocks = chain.num_blocks();
  inputs.frozen_graph = frozen_graph;
  inputs.val_pictures = std::ssize(folder.val);
  inputs.test_pictures = std::ssize(folder.test);
  for (int64_t i = 0; i < chain.num_blocks(); ++i) {
    inputs.block_parameters.push_back(chain.block(i).num_parameters);
    inputs.block_work.push_back(multiplications(chain, i, i + 1));
    inputs.block_outputs.push_back(
        c10::multiply_integers(chain.block(i).output_size));
  }
  return inputs;
}

/// Half of what the cache may grow to, and of what its disk has left.
int64_t cache_bytes(const CacheOptions& options) {
  std::error_code error;
  std::filesystem::path place = cache_folder(options);
  if (place.empty()) place = std::filesystem::temp_directory_path(error);
  while (!std::filesystem::exists(place, error) && place.has_relative_path())
    place = place.parent_path();
  const auto room = std::filesystem::space(place, error).available;
  const auto limit = static_cast<int64_t>(options.cache_limit * 1e9);
  return (error ? limit
                : std::min<int64_t>(limit, static_cast<int64_t>(room))) /
         2;
}

int64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

/// only_head  nothing but the head would be trained by itself
void refuse_frozen_graph(const Classifier& classifier, int64_t blocks,
                         int64_t freeze_override, bool only_head) {
  if (!classifier.frozen_graph || freeze_override == blocks) return;
  if (only_head && freeze_override < 0) return;
  fail(Fault::model, classifier.path,
       ": a frozen graph: its weights are constants with BatchNorm folded in, "
       "so its backbone cannot be trained. Export the model without "
       "torch.jit.freeze, or train the head alone with --freeze-until all");
}

/// `--optimizer lbfgs` where it cannot be kept to.
void refuse_lbfgs(const BlockChain& chain, bool linear,
                  int64_t freeze_override) {
  if (!linear)
    fail(Fault::usage,
         "--optimizer lbfgs solves for a linear layer, and the head of this "
         "model is more than that; --optimizer adam trains it");
  if (freeze_override < 0 || freeze_override == chain.num_blocks()) return;
  int64_t parameters = 0;
  for (int64_t i = freeze_override; i < chain.num_blocks(); ++i)
    parameters += chain.block(i).num_parameters;
  fail(Fault::usage,
       "--optimizer lbfgs looks at all pictures at each step, so it solves for "
       "the head alone, on features that are computed once; --freeze-until "
       "leaves ",
       parameters,
       " weights of blocks before it. Give --freeze-until all, or --optimizer "
       "auto, which trains them too");
}

Json epoch_json(const EpochResult& e) {
  Json out{{"epoch", e.epoch},           {"stage", e.stage},
           {"train_loss", e.train_loss}, {"train_accuracy", e.train_accuracy},
           {"val_loss", e.val_loss},     {"val_accuracy", e.val_accuracy},
           {"head_lr", e.head_lr},       {"backbone_lr", e.backbone_lr}};
  if (e.average_val_accuracy) {
    out["average_val_accuracy"] = *e.average_val_accuracy;
    out["average_val_loss"] = *e.average_val_loss;
    out["average_is_best"] = e.average_is_best;
  }
  return out;
}

Json proofs_json(const std::vector<StageProof>& proofs) {
  Json out = Json::array();
  for (const StageProof& proof : proofs)
    out.push_back({{"from", proof.from},
                   {"to", proof.to},
                   {"kept", proof.kept},
                   {"errors", proof.errors},
                   {"test", to_json(proof.test)}});
  return out;
}

/// What changes nothing in the result has no place in its file.
Json options_for_record(const TrainOptions& options) {
  Json out = to_json(options);
  for (const char* key : {"out", "preview", "curves", "threads", "verbose",
                          "cache", "cache-limit", "cache-memory"})
    out.erase(key);
  return out;
}

Json report_for_record(const std::optional<Report>& report) {
  if (!report) return {};
  Json out = to_json(*report);
  for (const char* key : {"model", "data", "seconds"}) out.erase(key);
  out["one_crop"].erase("seconds");
  out.erase("inference");  // its times
  return out;
}

/// engraft.json. Free of times and of its own path, so that a run repeated
/// gives the same file.
Json make_record(const TrainResult& r, const TrainOptions& options,
                 const HeadInfo& head, double temperature) {
  Json epochs = Json::array();
  for (const EpochResult& e : r.epochs) epochs.push_back(epoch_json(e));
  Json precisions = Json::array();
  for (const PrecisionChoice& p : r.precisions)
    precisions.push_back(
        {{"cut", p.cut}, {"kind", std::string(name_of(p.kind))}});
  return {{"format", 1},
          {"tool", std::string("engraft ") + ENGRAFT_VERSION},
          {"libtorch", TORCH_VERSION},
          {"classes", r.folder.classes},
          {"input", to_json(r.classifier.input)},
          {"head", {{"weight", head.weight}, {"bias", head.bias}}},
          {"source_model", r.model},
          {"plan", to_json(r.plan)},
          {"options", options_for_record(options)},
          {"dataset",
           {{"fingerprint", r.folder.fingerprint},
            {"train", r.folder.train.size()},
            {"val", r.folder.val.size()},
            {"test", r.folder.test.size()}}},
          {"epochs", epochs},
          {"best_epoch", r.best_epoch},
          {"proofs", proofs_json(r.proofs)},
          {"precisions", precisions},
          {"interrupted", r.interrupted},
          {"diverged", r.diverged},
          {"frozen",
           {{"tensors", r.frozen_tensors}, {"checksum", r.frozen_checksum}}},
          {"val", report_for_record(r.val)},
          {"test", report_for_record(r.test)},
          {"temperature", temperature}};
}

/// Thrown out of a test that the user stops.
struct Stopped {};

Report test_model(const TrainResult& r, const BlockChain& chain,
                  const TrainOptions& options, const ViewOptions& view,
                  const std::vector<Sample>& samples, const std::string& split,
                  const TrainCallbacks& callbacks) {
  EvaluatorOptions evaluator;
  evaluator.view = view;
  evaluator.threads = options.base.run.threads;
  evaluator.inference = options.base.run.inference;
  const PhaseProgress tell(callbacks, "test");
  const auto progress = [&](int64_t done, int64_t all) {
    if (callbacks.stop && callbacks.stop()) throw Stopped();
    tell(done, all);
  };
  Report report;
  report.model = options.out;
  report.data = options.base.data;
  report.split = split;
  report.classes = r.folder.classes;
  take_over(
      evaluate(chain, r.classifier.input, samples, evaluator, {}, progress),
      report);
  return report;
}

/// The figures of the best epoch's validation, which looked at the very same
/// views, instead of computing them again.
Report validated(const TrainResult& r, const TrainOptions& options,
                 const ViewOptions& view, const FitResult& fitted) {
  Report report;
  report.model = options.out;
  report.data = options.base.data;
  report.split = "val";
  report.classes = r.folder.classes;
  report.main.average = view.average;
  report.main.metrics = compute_metrics(
      fitted.val_logits.to(torch::kDouble).log_softmax(1), fitted.val_labels);
  report.main.seconds = fitted.val_seconds;
  report.one_crop = report.main;
  report.views = {
      {"centre", report.main.metrics.top1, report.main.metrics.loss}};
  report.inference = fitted.activations.prefix;
  return report;
}

/// Fills in `val` and `test`; false when the user stopped it.
bool test_result(TrainResult& result, const BlockChain& chain,
                 const FitResult& fitted, const TrainOptions& options,
                 const ViewOptions& view, const TrainCallbacks& callbacks) {
  const ImageFolder& folder = result.folder;
  try {
    if (view.centre_only() && fitted.val_logits.defined())
      result.val = validated(result, options, view, fitted);
    else if (!folder.val.empty())
      result.val = test_model(result, chain, options, view, folder.val, "val",
                              callbacks);
    if (!folder.test.empty())
      result.test = test_model(result, chain, options, view, folder.test,
                               "test", callbacks);
  } catch (const Stopped&) {
    result.interrupted = true;
  }
  return result.val || result.test;
}

/// With the weights on the CPU, for machines without this device.
void save_result(TrainResult& result, BlockChain& chain,
                 const TrainOptions& options, double temperature) {
  const torch::Device device = chain.device();
  chain.to(torch::kCPU);
  result.classifier.record =
      make_record(result, options, chain.head(), temperature);
  save_or_rescue(result.classifier, options.out);
  chain.to(device);
}

void check_trainable(const ImageFolder& folder) {
  if (folder.train.empty())
    fail(Fault::data, folder.root, ": no training pictures");
  if (folder.num_classes() < 2)
    fail(Fault::data, folder.root, ": has one class ('",
         folder.classes.empty() ? "" : folder.classes[0],
         "'); telling classes apart takes two: add a folder");
}

void take_over(TrainResult& result, const FitResult& fitted) {
  result.epochs = fitted.epochs;
  result.best_epoch = fitted.best_epoch;
  result.interrupted = fitted.interrupted;
  result.early_stopped = fitted.early_stopped;
  result.diverged = fitted.diverged;
  result.head = fitted.head;
  result.rate_curves = fitted.rate_curves;
  result.precisions = fitted.precisions;
  result.soup = fitted.soup;
  result.soup_figures = fitted.soup_figures;
  // Noise is in steps alone.
  if (std::ranges::all_of(fitted.epochs, &EpochResult::solved))
    result.regularised.reset();
  result.batch_norms = fitted.batch_norms;
  result.proofs = fitted.proofs;
  result.activations = fitted.activations;
  result.notes.insert(result.notes.end(), fitted.notes.begin(),
                      fitted.notes.end());
  if (result.best_epoch == 0 && !result.diverged.empty())
    fail(Fault::model, result.model, ": training diverged: ", result.diverged,
         ". Nothing was written");
}

/// What becomes of a precision that was asked for.
void note_precision(const TrainOptions& options, PlanResult& planned) {
  if (options.optim.precision != TrainPrecision::bf16) return;
  auto& notes = planned.classifier.notes;
  if (planned.plan.lowest_cut() == BlockChain(planned.classifier).num_blocks())
    notes.push_back("--precision bf16: not used, as the head alone is trained");
  else if (resolve_device(options.base.run.device).is_cpu() && !has_bf16())
    notes.push_back(
        "--precision bf16: this processor only emulates it; f32 is faster");
}

/// Options that are given and that this plan leaves nothing to do.
/// steps  the head is trained by steps whatever the plan says
void note_unused(const TrainOptions& options, bool steps, int64_t blocks,
                 PlanResult& planned) {
  const Json given = to_json(options), initial = to_json(TrainOptions());
  std::string names;
  const auto look = [&](const std::vector<std::string>& all) {
    for (const std::string& name : all)
      // These have their own words: in the plan, and in note_precision.
      if (name != "epochs" && name != "precision" &&
          given.at(name) != initial.at(name))
        names += (names.empty() ? "--" : ", --") + name;
  };
  std::string why;
  if (planned.plan.lowest_cut() == blocks && planned.plan.solved_head) {
    look(step_options());
    why =
        "the head alone is trained, by L-BFGS at once; --optimizer adam "
        "trains it by steps, --freeze-until with a block others too";
  } else if (planned.plan.lowest_cut() == blocks) {
    look({"backbone-lr", "block-decay", "head-epochs"});
    why =
        "the head alone is trained; --freeze-until with a block trains others "
        "too";
  }
  const auto note = [&] {
    if (!names.empty())
      planned.classifier.notes.push_back(names + ": not used, as " + why);
    names.clear();
  };
  note();
  if (planned.plan.solved_head) return;
  look({"head-l2"});
  why = steps ? "what else is asked for takes a head trained by steps"
              : "the head is trained by steps";
  note();
}

/// A rectangle of features that have no places would be none.
void refuse_cutmix(const TrainOptions& options, const BlockChain& chain,
                   int64_t cut) {
  if (options.mix.cutmix == 0) return;
  int64_t last = cut;  // before which there still are places
  const auto has_places = [&](const std::vector<int64_t>& size) {
    constexpr int64_t kSide = 4;  // below, most rectangles are empty
    return size.size() == 3 && size[1] >= kSide && size[2] >= kSide;
  };
  while (last > 0 && !has_places(chain.block(last - 1).output_size)) --last;
  if (last < cut)
    fail(Fault::usage, "--cutmix pastes rectangles, and before block ", cut,
         ", from which on is trained, features are no pictures any more: give "
         "--freeze-until ",
         last,
         " or a block before it, or --mixup, which "
         "blends any features");
}

Json batch_norms_json(const std::optional<MeasuredBatchNorms>& measured) {
  if (!measured) return {};
  return {{"val_accuracy", or_null(measured->figures.accuracy)},
          {"val_loss", or_null(measured->figures.loss)},
          {"kept", measured->kept}};
}

/// Nothing of what is trained has statistics of its own.
void refuse_reestimate(const TrainOptions& options, const BlockChain& chain,
                       int64_t cut) {
  if (!options.mix.bn_reestimate || !chain.running_statistics(cut).empty())
    return;
  fail(Fault::usage, "--bn-reestimate: training moves the statistics of no ",
       "batch norm from block ", cut, " on, where the model is trained");
}

Json snapshots_json(const SavedSnapshots& saved) {
  if (saved.members.empty()) return {};
  const auto json = [](const SavedSnapshot& s) -> Json {
    return {{"model", s.path},
            {"val_accuracy", or_null(s.figures.accuracy)},
            {"val_loss", or_null(s.figures.loss)},
            {"seconds", s.figures.seconds}};
  };
  Json members = Json::array();
  for (const SavedSnapshot& member : saved.members)
    members.push_back(json(member));
  return {{"members", members}, {"ensemble", json(saved.ensemble)}};
}

}  // namespace

namespace {

/// Measures the evidence.
void look_closer(const PlanCommandOptions& options,
                 const TrainCallbacks& callbacks, BlockChain& chain,
                 torch::Device device, PlanInputs& inputs, PlanResult& out) {
  EvidenceOptions wanted;
  wanted.input = out.classifier.input;
  wanted.threads = options.run.threads;
  wanted.inference = options.run.inference;
  wanted.cache = options.cache;
  wanted.model = out.model;
  wanted.data = options.data;
  chain.to(device);
  const auto progress = [&](int64_t done, int64_t all) {
    if (!callbacks.progress) return;
    TrainProgress p;
    p.phase = "similarity";
    p.images = done;
    p.images_in_epoch = all;
    callbacks.progress(p);
  };
  EvidenceResult seen =
      measure_evidence(chain, out.folder, wanted, progress, callbacks.stop);
  chain.to(torch::kCPU);
  inputs.evidence = std::move(seen.evidence);
  out.known = std::move(seen.features);
}

}  // namespace

PlanResult make_plan(const PlanCommandOptions& options,
                     const TrainCallbacks& callbacks, const PlannedRun& run) {
  options.validate();
  const torch::Device device = resolve_device(options.run.device);
  PlanResult out;
  PhaseClock clock(out.phases);
  out.model = options.model.empty() ? default_model_path() : options.model;
  out.classifier = load_classifier(out.model, options.input);
  clock.end("load");
  out.folder = run.found ? *run.found
                         : scan_image_folder(options.data, options.data_options,
                                             options.run.threads,
                                             cache_folder(options.cache));
  clock.end("scan");
  check_trainable(out.folder);
  BlockChain chain(out.classifier);
  out.head = chain.head();
  clock.end("cut");
  const bool linear = has_linear_head(chain);
  const bool only_head = run.optimizer == OptimizerKind::lbfgs;
  const int64_t freeze_override =
      options.plan.freeze_until == "auto"
          ? -1
          : chain.find_block(options.plan.freeze_until);
  refuse_frozen_graph(out.classifier, chain.num_blocks(), freeze_override,
                      only_head);
  if (only_head) refuse_lbfgs(chain, linear, freeze_override);
  PlanInputs inputs =
      plan_inputs(chain, out.folder, out.classifier.frozen_graph);
  inputs.cache_bytes = cache_bytes(options.cache);
  inputs.solved_head =
      linear && (run.optimizer == OptimizerKind::automatic || only_head);
  inputs.only_head = only_head;
  inputs.test_crops = run.crops;
  if (!options.plan.similarity) {
    if (callbacks.progress) {
      TrainProgress p;
      p.phase = "similarity";
      callbacks.progress(p);
    }
    chain.to(device);
    inputs.similarity =
        measure_similarity(chain, out.classifier.input, out.folder,
                           options.run.threads, cache_folder(options.cache));
    chain.to(torch::kCPU);
  }
  clock.end("similarity");
  if (options.plan.freeze_until == "auto" && !out.classifier.frozen_graph)
    look_closer(options, callbacks, chain, device, inputs, out);
  clock.end("evidence");
  inputs.seconds = parse_duration(options.plan.time);
  if (inputs.seconds > 0) {
    chain.to(device);
    inputs.speed = measure_speed(chain, out.classifier.input, out.folder.train,
                                 options.run, clock.total());
    chain.to(torch::kCPU);
    clock.end("speed");
  }
  out.plan =
      choose_plan(inputs, options.plan, options.augment, freeze_override);
  return out;
}

TrainResult train(const TrainOptions& options, const TrainCallbacks& callbacks,
                  const ImageFolder* found) {
  const auto start = Clock::now();
  options.validate();
  check_writable(options.out);
  if (!options.preview.empty()) check_writable(options.preview);
  torch::manual_seed(options.base.run.seed);
  const OptimizerKind asked = options.optim.optimizer;
  const bool steps = asked == OptimizerKind::automatic && options.by_steps();
  PlanResult planned = make_plan(
      options.base, callbacks,
      {steps ? OptimizerKind::adam : asked, options.view.crops, found});
  note_precision(options, planned);
  const int64_t lowest = planned.plan.lowest_cut();
  bool by_lbfgs = false;
  {
    const BlockChain cut(planned.classifier);
    by_lbfgs = lowest == cut.num_blocks() && planned.plan.solved_head;
    note_unused(options, steps, cut.num_blocks(), planned);
    if (!by_lbfgs) refuse_cutmix(options, cut, planned.plan.freeze_until);
  }
  std::error_code unknown;
  const auto bytes = std::filesystem::file_size(planned.model, unknown);
  check_writable(options.out, unknown ? 0 : bytes);
  if (callbacks.planned)
    callbacks.planned(planned.plan, planned.folder, planned.classifier);
  TrainResult result;
  result.phases = std::move(planned.phases);
  PhaseClock clock(result.phases);
  result.model = planned.model;
  result.out = options.out;
  result.classifier = std::move(planned.classifier);
  result.folder = std::move(planned.folder);
  result.plan = std::move(planned.plan);
  result.notes = result.classifier.notes;
  ViewOptions view = options.view;
  view.crops = result.plan.test_crops;
  if (!options.preview.empty())
    write_preview(options.preview, result.folder, result.plan.augment,
                  result.classifier.input, options.base.run.seed);

  replace_head(result.classifier, planned.head, result.folder.num_classes(),
               static_cast<uint64_t>(options.base.run.seed));
  BlockChain chain(result.classifier);
  chain.to(resolve_device(options.base.run.device));
  if (options.regularise.any() && !by_lbfgs)
    result.regularised = chain.regularise(options.regularise, lowest);
  if (!by_lbfgs) refuse_reestimate(options, chain, lowest);
  clock.end("replace head");
  double temperature = 1;
  FitResult fitted;
  {
    LiveChain live(chain, result.plan.lowest_cut());
    result.frozen_tensors = live.num_frozen();
    result.frozen_checksum = live.frozen_checksum();
    fitted = fit(
        live, chain,
        {result.folder, result.classifier.input, result.plan, options.optim,
         options.schedule, options.mix, options.base.run, options.base.cache,
         &planned.known, result.model, options.curves ? options.out : ""},
        callbacks);
    TORCH_CHECK(live.frozen_checksum() == result.frozen_checksum,
                "a frozen tensor changed during training");
    temperature = fit_temperature(fitted.val_logits, fitted.val_labels);
    take_over(result, fitted);
  }
  clock.end("train");
  if (result.best_epoch > 0) {
    result.classifier.classes = result.folder.classes;
    // Tests may take long, and be stopped: the model is safe before them.
    const bool long_test = !view.centre_only() || !result.folder.test.empty();
    if (long_test || result.interrupted) {
      save_result(result, chain, options, temperature);
      clock.end("save");
    }
    if (!result.interrupted) {
      const bool tested =
          test_result(result, chain, fitted, options, view, callbacks);
      clock.end("test");
      if (tested || !long_test) {
        save_result(result, chain, options, temperature);
        clock.end(long_test ? "save again" : "save");
      }
    }
  }
  if (result.best_epoch > 0)
    result.snapshots = save_snapshots(result.classifier, options.out, fitted);
  for (const std::string& path : result.snapshots.stale)
    result.notes.push_back(path + " is of an earlier run, not of this model");
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  result.peak_memory = peak_memory();
  return result;
}

SnapshotFigures saved_figures(const TrainResult& result) {
  if (result.batch_norms && result.batch_norms->kept)
    return result.batch_norms->figures;
  const EpochResult& best =
      result.epochs.at(static_cast<size_t>(result.best_epoch - 1));
  if (best.average_is_best)
    return {best.average_val_accuracy, best.average_val_loss};
  return {best.val_accuracy, best.val_loss};
}

Json to_json(const TrainResult& r) {
  Json epochs = Json::array();
  for (const EpochResult& e : r.epochs) {
    Json row = epoch_json(e);
    row["images_per_second"] = e.images_per_second;
    row["seconds"] = e.seconds;
    row["seconds_waiting"] = e.seconds_waiting;
    if (e.average_val_accuracy) row["average_seconds"] = e.average_seconds;
    epochs.push_back(row);
  }
  Json rates = Json::array();
  for (const RateCurve& curve : r.rate_curves) rates.push_back(to_json(curve));
  Json precisions = Json::array();
  for (const PrecisionChoice& p : r.precisions)
    precisions.push_back(to_json(p));
  Json phases = Json::object();
  for (const auto& [phase, seconds] : r.phases) phases[phase] = seconds;
  return {{"model", r.model},
          {"out", r.out},
          {"data", to_json(r.folder)},
          {"plan", to_json(r.plan)},
          {"epochs", epochs},
          {"best_epoch", r.best_epoch},
          {"interrupted", r.interrupted},
          {"early_stopped", r.early_stopped},
          {"diverged", r.diverged},
          {"frozen",
           {{"tensors", r.frozen_tensors}, {"checksum", r.frozen_checksum}}},
          {"val", r.val ? to_json(*r.val) : Json()},
          {"test", r.test ? to_json(*r.test) : Json()},
          {"head", r.head ? to_json(*r.head) : Json()},
          {"rate_curves", rates},
          {"precisions", precisions},
          {"regularised", r.regularised ? to_json(*r.regularised) : Json()},
          {"soup", r.soup},
          {"batch_norms", batch_norms_json(r.batch_norms)},
          {"proofs", proofs_json(r.proofs)},
          {"snapshots", snapshots_json(r.snapshots)},
          {"activations", to_json(r.activations)},
          {"notes", r.notes},
          {"seconds", r.seconds},
          {"phases", phases},
          {"peak_memory", r.peak_memory}};
}

Json to_json(const PlanResult& r) {
  return {{"model", r.model},
          {"data", to_json(r.folder)},
          {"plan", to_json(r.plan)},
          {"notes", r.classifier.notes}};
}

}  // namespace engraft
