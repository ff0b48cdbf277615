#include "engraft/train/trainer.h"

#include <sys/resource.h>

#include <filesystem>

#include "engraft/data/preview.h"
#include "engraft/eval/calibration.h"
#include "engraft/model/surgery.h"
#include "engraft/train/fit.h"
#include "train/given_options.h"
#include "train/phase_clock.h"
#include "train/snapshots.h"
#include "train/test_result.h"
#include "train/train_record.h"

namespace engraft {
namespace {

int64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

/// With the weights on the CPU, for machines without this device.
/// again  these weights are in the file already: what the test found is not
///        worth the run's other results, where the disk does not take it
void save_result(TrainResult& result, BlockChain& chain,
                 const TrainOptions& options, double temperature, bool again) {
  const torch::Device device = chain.device();
  chain.to(torch::kCPU);
  result.classifier.record =
      make_record(result, options, chain.head(), temperature);
  try {
    if (again)
      save_classifier(result.classifier, options.out);
    else
      save_or_rescue(result.classifier, options.out);
  } catch (const Error& error) {
    if (!again) throw;
    result.notes.push_back(
        std::string(error.what()) +
        "; the model in the file is whole, but it does not tell of its test");
  }
  chain.to(device);
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
  result.soup = fitted.others.soup;
  result.soup_figures = fitted.others.soup_figures;
  // Noise is in steps alone.
  if (std::ranges::all_of(fitted.epochs, &EpochResult::solved))
    result.regularised.reset();
  result.batch_norms = fitted.others.batch_norms;
  result.proofs = fitted.proofs;
  result.steps = fitted.steps;
  result.activations = fitted.activations;
  result.notes.insert(result.notes.end(), fitted.notes.begin(),
                      fitted.notes.end());
  if (result.best_epoch == 0 && !result.diverged.empty())
    fail(Fault::model, result.model, ": training diverged: ", result.diverged,
         ". Nothing was written");
}

/// Refuses before any work what cannot be written or trained.
PlanResult plan_training(const TrainOptions& options,
                         const TrainCallbacks& callbacks,
                         const ImageFolder* found) {
  options.validate();
  check_writable(options.out);
  if (!options.preview.empty()) check_writable(options.preview);
  const OptimizerKind asked = options.optim.optimizer;
  const bool steps = asked == OptimizerKind::automatic && options.by_steps();
  PlanResult out = make_plan(
      options.base, callbacks,
      {steps ? OptimizerKind::adam : asked, options.view.crops,
       given_statistics(options), options.optim.class_weights, found});
  const BlockChain chain(out.classifier);
  note_precision(options, chain.num_blocks(), out);
  note_unused(options, steps, chain.num_blocks(), out);
  if (!only_solves(out.plan, chain.num_blocks()))
    refuse_cutmix(options, chain, out.plan.freeze_until);
  std::error_code unknown;
  const auto bytes = std::filesystem::file_size(out.model, unknown);
  check_writable(options.out, unknown ? 0 : bytes);
  return out;
}

/// Trains what the plan leaves live.
FitResult fit_live(const TrainOptions& options, const TrainCallbacks& callbacks,
                   const KnownFeatures& known, BlockChain& chain,
                   TrainResult& result) {
  LiveChain live(chain, result.plan.lowest_cut());
  result.frozen_tensors = live.num_frozen();
  result.frozen_checksum = live.frozen_checksum();
  FitResult fitted =
      fit(live, chain,
          {result.folder, result.classifier.input, result.plan, options.optim,
           options.schedule, options.mix, options.base.run, options.base.cache,
           &known, result.model, options.curves ? options.out : ""},
          callbacks);
  TORCH_CHECK(live.frozen_checksum() == result.frozen_checksum,
              "a frozen tensor changed during training");
  take_over(result, fitted);
  return fitted;
}

void save_and_test(const TrainOptions& options, const TrainCallbacks& callbacks,
                   const FitResult& fitted, BlockChain& chain,
                   TrainResult& result, PhaseClock& clock) {
  const double temperature =
      fit_temperature(fitted.val_logits, fitted.val_labels);
  result.classifier.classes = result.folder.classes;
  ViewOptions view = options.view;
  view.crops = result.plan.test_crops;
  // Tests may take long, and be stopped: the model is safe before them.
  const bool long_test = !view.centre_only() || !result.folder.test.empty();
  if (long_test || result.interrupted) {
    save_result(result, chain, options, temperature, /*again=*/false);
    clock.end("save");
  }
  if (!result.interrupted) {
    const bool tested =
        test_result(result, chain, fitted, options, view, callbacks);
    clock.end("test");
    if (tested || !long_test) {
      save_result(result, chain, options, temperature, long_test);
      clock.end(long_test ? "save again" : "save");
    }
  }
  result.snapshots = save_snapshots(result.classifier, options.out, fitted);
  for (const std::string& path : result.snapshots.stale)
    result.notes.push_back(path + " is of an earlier run, not of this model");
}

}  // namespace

TrainResult train(const TrainOptions& options, const TrainCallbacks& callbacks,
                  const ImageFolder* found) {
  const Stopwatch watch;
  torch::manual_seed(options.base.run.seed);
  PlanResult planned = plan_training(options, callbacks, found);
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
  if (!options.preview.empty())
    write_preview(options.preview, result.folder, result.plan.augment,
                  result.classifier.input, options.base.run.seed);

  replace_head(result.classifier, planned.head, result.folder.num_classes(),
               static_cast<uint64_t>(options.base.run.seed));
  BlockChain chain(result.classifier);
  const torch::Device device = resolve_device(options.base.run.device);
  chain.to(device);
  result.device = device.str();
  if (!only_solves(result.plan, chain.num_blocks())) {
    const int64_t lowest = result.plan.lowest_cut();
    RegulariserOptions wanted = options.regularise;
    if (wanted.bn_statistics == BatchNormStatistics::automatic)
      wanted.bn_statistics = result.plan.bn_statistics;
    const RegulariserReport report = chain.regularise(wanted, lowest);
    if (options.regularise.any()) result.regularised = report;
    refuse_reestimate(options, chain, lowest);
  }
  clock.end("replace head");
  const FitResult fitted =
      fit_live(options, callbacks, planned.known, chain, result);
  clock.end("train");
  if (result.best_epoch > 0)
    save_and_test(options, callbacks, fitted, chain, result, clock);
  result.seconds = watch.seconds();
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

}  // namespace engraft
