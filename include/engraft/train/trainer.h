#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engraft/data/image_folder.h"
#include "engraft/eval/evaluator.h"
#include "engraft/eval/paired_test.h"
#include "engraft/features/activations.h"
#include "engraft/features/head_solver.h"
#include "engraft/model/chain.h"
#include "engraft/model/classifier.h"
#include "engraft/policy/plan.h"
#include "engraft/train/options.h"
#include "engraft/train/precision.h"
#include "engraft/train/rate_finder.h"

namespace engraft {

/// One pass over the training set. Accuracies in [0, 1], losses in nats.
struct EpochResult {
  int64_t epoch = 0;                          ///< from 1
  int64_t epochs = 0;                         ///< planned
  std::string stage;                          ///< "head" or "blocks"
  bool solved = false;                        ///< by L-BFGS, on all views
  double train_loss = 0, train_accuracy = 0;  ///< on the augmented views
  double val_loss = 0, val_accuracy = 0;      ///< centre crop, running model
  double head_lr = 0, backbone_lr = 0;        ///< at the epoch's end
  double images_per_second = 0, seconds = 0;
  double seconds_waiting = 0;  ///< of these, for pictures
  bool best = false;           ///< the most accurate so far
  /// Of the average of the weights, where there is one.
  std::optional<double> average_val_accuracy, average_val_loss;
  bool average_is_best = false;  ///< it was kept, not the epoch's own weights
  double average_seconds = 0;    ///< that it took
};

/// The judgement of a stage that has to prove itself.
struct StageProof {
  std::string from, to;  ///< for people: "the head alone", "blocks from 12 on"
  PairedTest test;       ///< on the validation pictures, centre crop
  double errors = 1;     ///< standard errors that it has to be better by
  bool kept = false;     ///< the stage stays; else `from` is what is left
};

/// On the validation pictures, centre crop; nothing where there are none.
struct SnapshotFigures {
  std::optional<double> accuracy, loss;
  double seconds = 0;  ///< to see all of them
};

/// What --bn-reestimate came to.
struct MeasuredBatchNorms {
  SnapshotFigures figures;
  bool kept = false;
};

/// One file of a snapshot ensemble.
struct SavedSnapshot {
  std::string path;
  SnapshotFigures figures;
};

/// What --snapshots wrote; empty without. ensemble.path is "" for one member.
struct SavedSnapshots {
  std::vector<SavedSnapshot> members;
  SavedSnapshot ensemble;
  /// Files of earlier runs beside these, which belong to another model.
  std::vector<std::string> stale;
};

/// Within an epoch.
struct TrainProgress {
  int64_t epoch = 0, epochs = 0;
  int64_t images = 0, images_in_epoch = 0;
  double loss = 0, images_per_second = 0;
  double eta_seconds = 0;  ///< until the last epoch's end
  /// "similarity", "features" (frozen blocks), "head" (L-BFGS), "train",
  /// "val", "test"
  std::string phase;
};

/// Calls back from the thread that trains; all are optional.
struct TrainCallbacks {
  std::function<void(const TransferPlan&, const ImageFolder&,
                     const Classifier&)>
      planned;
  std::function<void(const TrainProgress&)> progress;
  std::function<void(const EpochResult&)> epoch;
  /// Read between steps; true ends training or testing after the step in hand,
  /// with the best model so far as the result.
  std::function<bool()> stop;
};

/// Seconds that each part of a run took, in its order.
using Phases = std::vector<std::pair<std::string, double>>;

/// How the blocks from the plan's cut on were trained that stay: as planned, or
/// by a later try of them. As planned too where none stay. --find-lr takes its
/// multiple of these rates.
struct StepsTaken {
  double head_lr = 0, backbone_lr = 0;  ///< highest of the schedule
  BatchNormStatistics bn_statistics = BatchNormStatistics::automatic;
};

/// What a run leaves behind.
struct TrainResult {
  std::string model, out;
  std::string device;     ///< that it ran on: "cpu", "cuda:0"
  Classifier classifier;  ///< best epoch's weights, record filled in
  ImageFolder folder;
  TransferPlan plan;
  std::vector<EpochResult> epochs;
  int64_t best_epoch = 0;  ///< from 1; 0 when stopped before the first
  bool interrupted = false, early_stopped = false;
  std::string diverged;  ///< why training ended early, "" when it did not
  /// Hash over all frozen tensors; the same before and after, or train throws.
  std::string frozen_checksum;
  int64_t frozen_tensors = 0;
  /// Of the best model; classes, crops and one_crop as `eval`. None when the
  /// run was interrupted.
  std::optional<Report> val;
  std::optional<Report> test;          ///< likewise, when DATA has a test part
  std::optional<HeadSolution> head;    ///< of a head solved by L-BFGS
  std::vector<RateCurve> rate_curves;  ///< of --find-lr, one a stage
  std::vector<PrecisionChoice> precisions;  ///< one a stage of live blocks
  std::vector<int64_t> soup;                ///< epochs in it, the best first
  SnapshotFigures soup_figures;
  std::vector<StageProof> proofs;  ///< of stages that had to be better
  StepsTaken steps;
  std::optional<RegulariserReport> regularised;
  std::optional<MeasuredBatchNorms> batch_norms;
  SavedSnapshots snapshots;
  ActivationStats activations;  ///< of the frozen blocks
  double seconds = 0;
  Phases phases;            ///< of `seconds`
  int64_t peak_memory = 0;  ///< bytes resident at most, of the process
  std::vector<std::string> notes;
};

/// `engraft plan`, whole: scan, measure, choose.
struct PlanResult {
  std::string model;
  Classifier classifier;
  ImageFolder folder;
  TransferPlan plan;
  HeadInfo head;                          ///< of the model as it came
  KnownFeatures known;                    ///< that looking at pictures came by
  std::optional<PrefixChoice> inference;  ///< as EvidenceResult's
  Phases phases;
};
/// What else is known of the run that is planned.
struct PlannedRun {
  OptimizerKind optimizer = OptimizerKind::automatic;
  std::optional<int64_t> crops;  ///< of its tests, where they are given
  std::optional<GivenStatistics> bn_statistics;
  ClassWeights class_weights = ClassWeights::none;
  /// The pictures of options.data, for those who have looked already.
  const ImageFolder* found = nullptr;
  int64_t most_pictures = 0;  ///< as EvidenceOptions::most_pictures
};
PlanResult make_plan(const PlanCommandOptions& options,
                     const TrainCallbacks& callbacks = {},
                     const PlannedRun& run = {});

/// `engraft train`, whole, up to and including the saved file. It is saved as
/// soon as training ends, and again with the figures once it is tested.
/// Throws Error as its parts do; a run that diverges before any good epoch
/// throws Error(Fault::model).
/// found  as PlannedRun::found; without val pictures the last epoch is kept
TrainResult train(const TrainOptions& options,
                  const TrainCallbacks& callbacks = {},
                  const ImageFolder* found = nullptr);

/// Validation, centre crop, of the weights that are saved. Throws
/// std::out_of_range where no epoch was finished.
SnapshotFigures saved_figures(const TrainResult& result);

/// model, plan, epochs, best_epoch, val, seconds, ... (README, JSON keys).
Json to_json(const TrainResult& result);
Json to_json(const PlanResult& result);

}  // namespace engraft
