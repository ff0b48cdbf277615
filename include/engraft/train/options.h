#pragma once

#include "engraft/eval/options.h"
#include "engraft/model/regularise.h"
#include "engraft/options.h"

namespace engraft {

enum class OptimizerKind {
  automatic,
  sgd,
  nesterov,
  adagrad,
  rmsprop,
  adam,
  adamw,
  lbfgs
};
enum class ScheduleKind {
  constant,
  linear,
  cosine,
  step,
  exponential,
  inverse,
  restarts,
  one_cycle,
  plateau
};
enum class ClassWeights { none, balanced };
enum class WeightAverage { none, ema, swa, soup };
enum class TrainPrecision { automatic, f32, bf16 };
ENGRAFT_ENUM_NAMES(OptimizerKind, "auto", "sgd", "nesterov", "adagrad",
                   "rmsprop", "adam", "adamw", "lbfgs");
ENGRAFT_ENUM_NAMES(ScheduleKind, "constant", "linear", "cosine", "step",
                   "exponential", "inverse", "restarts", "one-cycle",
                   "plateau");
ENGRAFT_ENUM_NAMES(ClassWeights, "none", "balanced");
ENGRAFT_ENUM_NAMES(WeightAverage, "none", "ema", "swa", "soup");
ENGRAFT_ENUM_NAMES(TrainPrecision, "auto", "f32", "bf16");

/// How the head and the live blocks are trained. What an update rule does not
/// use is refused, not ignored: see OptimizerFamily.
struct OptimOptions {
  OptimizerKind optimizer = OptimizerKind::automatic;
  std::optional<double> head_l2;
  std::optional<double> momentum, beta2, rms_decay, epsilon;
  double weight_decay = 1e-4;
  double l1 = 0;
  std::optional<double> label_smoothing;
  ClassWeights class_weights = ClassWeights::none;
  double clip_norm = 5.0;
  int64_t accumulate = 1;
  TrainPrecision precision = TrainPrecision::automatic;
  int64_t patience = 0;
  bool find_lr = false;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(
        "optimizer", self.optimizer,
        "update rule; auto trains the head by lbfgs, blocks by adam, and lbfgs "
        "the head alone",
        Any{});
    visit("head-l2", self.head_l2,
          "L2 penalty of the head with lbfgs, on standardised features (auto: "
          "by cross-validation)",
          Range{0, 1e6});
    visit("momentum", self.momentum,
          "of sgd, nesterov and rmsprop; beta1 of adam and adamw (auto: 0.9, "
          "rmsprop 0)",
          Range{0, 0.9999});
    visit("beta2", self.beta2,
          "decay of the mean square in adam and adamw (auto: 0.999)",
          Range{0, 0.999999});
    visit("rms-decay", self.rms_decay,
          "decay of the mean square in rmsprop (auto: 0.99)",
          Range{0, 0.999999});
    visit("epsilon", self.epsilon,
          "added to the root of the mean square (auto: 1e-8, adagrad 1e-10)",
          Range{0, 1});
    visit("weight-decay", self.weight_decay,
          "L2 penalty on weights, not on biases and norms; with adamw the "
          "share of a weight that a step of rate 1 takes away",
          Range{0, 1});
    visit("l1", self.l1,
          "L1 penalty on weights, not on biases and norms: this times the sum "
          "of |w| is added to the loss",
          Range{0, 1});
    visit("label-smoothing", self.label_smoothing,
          "share of the target spread evenly over the classes (auto: 0.1, and "
          "none with lbfgs)",
          Range{0, 0.99});
    visit("class-weights", self.class_weights,
          "weights in the loss: balanced is inverse to class frequency", Any{});
    visit("clip-norm", self.clip_norm,
          "largest norm of the whole gradient, 0 for no limit", Range{0, 1e6});
    visit("accumulate", self.accumulate,
          "batches whose gradients add up to one step of live blocks",
          Range{1, 65536});
    visit("precision", self.precision,
          "of live blocks in training; auto takes bf16 where the processor has "
          "it and a few steps before a longer stage show it right and clearly "
          "faster; on a GPU it has to be asked for",
          Any{});
    visit("patience", self.patience,
          "end a stage after so many epochs without a more accurate one, 0 for "
          "never",
          Range{0, 100000});
    visit("find-lr", self.find_lr,
          "before each stage that goes by steps, look where between 1/1000 "
          "and 100 times the plan's rates the loss falls fastest (100 steps, "
          "undone), and take these",
          Any{});
  }
  /// Throws Error(Fault::usage) for what the optimizer does not use.
  void validate() const;
};

/// How the learning rate goes over a stage's steps.
struct ScheduleOptions {
  ScheduleKind schedule = ScheduleKind::cosine;
  std::optional<double> warmup, floor, drop_factor, inverse_rate, cycle_growth;
  std::optional<int64_t> drops, cycles, plateau_patience;
  std::optional<NumberList> milestones;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("schedule", self.schedule, "course of the rate after the warm-up",
          Any{});
    visit("warmup", self.warmup,
          "share of a stage's steps over which the rate rises (auto: 0.1, "
          "one-cycle 0.3)",
          Range{0, 0.9});
    visit("floor", self.floor,
          "share of the rate that linear, cosine, restarts, one-cycle and "
          "exponential end at (auto: 0, exponential 0.01, one-cycle 4e-6)",
          Range{0, 1});
    visit("drops", self.drops,
          "times that step lets the rate drop, evenly spaced (auto: 2)",
          Range{1, 1000});
    visit("milestones", self.milestones,
          "shares of a stage's steps at which step lets the rate drop, in "
          "place of --drops: 0.3,0.6,0.9",
          Range{0, 1});
    visit("drop-factor", self.drop_factor,
          "what step and plateau multiply the rate by (auto: 0.1)",
          Range{1e-6, 1});
    visit("inverse-rate", self.inverse_rate,
          "k of inverse, 1 / (1 + k t) at share t of the steps (auto: 9)",
          Range{0, 1e6});
    visit("cycles", self.cycles, "falls of restarts (auto: 3)", Range{1, 1000});
    visit("cycle-growth", self.cycle_growth,
          "length of a cycle over that of the one before (auto: 1)",
          Range{0.1, 10});
    visit("plateau-patience", self.plateau_patience,
          "epochs without a lower validation loss before plateau drops the "
          "rate (auto: 2)",
          Range{1, 100000});
  }
  /// Throws Error(Fault::usage) for what the schedule does not use.
  void validate() const;
};

/// Mixed pictures, averaged weights, and what else is made of these at the end.
struct MixOptions {
  double mixup = 0, cutmix = 0;
  WeightAverage average = WeightAverage::none;
  std::optional<double> average_decay, average_from;
  int64_t snapshots = 0;
  bool bn_reestimate = false;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("mixup", self.mixup,
          "alpha of mixup, 0 for none: each picture, or what the frozen "
          "blocks give for it, is blended with another one, labels too",
          Range{0, 10});
    visit("cutmix", self.cutmix,
          "alpha of cutmix, 0 for none: a rectangle comes from another "
          "picture; with --mixup each batch draws one of the two",
          Range{0, 10});
    visit(
        "weight-average", self.average,
        "average of the weights over steps (ema), over the last epochs (swa), "
        "or of the best five epochs as long as it gains (soup), batch norms "
        "measured again; kept where it validates better than the best epoch",
        Any{});
    visit("average-decay", self.average_decay,
          "of ema, a step (auto: 1 - 10 / steps, at most 0.9999)",
          Range{0, 0.999999});
    visit("average-from", self.average_from,
          "share of the stage's epochs before swa begins (auto: 0.5)",
          Range{0, 1});
    visit("snapshots", self.snapshots,
          "let the rate fall so many times and also save the weights at each "
          "end as OUT.snapshot-K.pt, and as OUT.ensemble.pt one file that "
          "averages them; 0 for none",
          Range{0, 100});
    visit("bn-reestimate", self.bn_reestimate,
          "at the end measure the running statistics of live batch norms anew, "
          "on training pictures with the best weights; kept where that "
          "validates better",
          Any{});
  }
  /// What takes a head trained by steps.
  bool any() const {
    return mixup > 0 || cutmix > 0 || average != WeightAverage::none ||
           snapshots > 0;
  }
  void validate() const;
};

/// `engraft train`.
struct TrainOptions {
  PlanCommandOptions base;
  std::string out;
  OptimOptions optim;
  ScheduleOptions schedule;
  RegulariserOptions regularise;
  MixOptions mix;
  ViewOptions view;
  std::string preview;
  bool curves = false;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("out", self.out, "file to write the fine-tuned model to", Any{});
    PlanCommandOptions::fields(self.base, visit);
    OptimOptions::fields(self.optim, visit);
    ScheduleOptions::fields(self.schedule, visit);
    RegulariserOptions::fields(self.regularise, visit);
    MixOptions::fields(self.mix, visit);
    ViewOptions::fields(self.view, visit);
    visit("preview", self.preview,
          "also write a contact sheet of what training sees to this PNG file",
          Any{});
    visit("curves", self.curves,
          "also write loss, accuracy, rates, gradient norms and update ratios "
          "of each epoch as JSON lines and TensorBoard events beside the model",
          Any{});
  }
  /// Something is asked for that a solved head would not do.
  bool by_steps() const;
  /// Rules that join fields. Throws Error(Fault::usage) naming the flags.
  void validate() const;
};

}  // namespace engraft
