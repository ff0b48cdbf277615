#pragma once

#include "engraft/eval/options.h"
#include "engraft/options.h"

namespace engraft {

enum class OptimizerKind { automatic, sgd, adam, lbfgs };
enum class ScheduleKind { constant, linear, cosine };
enum class ClassWeights { none, balanced };
ENGRAFT_ENUM_NAMES(OptimizerKind, "auto", "sgd", "adam", "lbfgs");
ENGRAFT_ENUM_NAMES(ScheduleKind, "constant", "linear", "cosine");
ENGRAFT_ENUM_NAMES(ClassWeights, "none", "balanced");

/// How the head and the live blocks are trained.
struct OptimOptions {
  OptimizerKind optimizer = OptimizerKind::automatic;
  std::optional<double> head_l2;
  double momentum = 0.9;
  double weight_decay = 1e-4;
  ScheduleKind schedule = ScheduleKind::cosine;
  double warmup = 0.1;
  std::optional<double> label_smoothing;
  ClassWeights class_weights = ClassWeights::none;
  double clip_norm = 5.0;
  int64_t accumulate = 1;
  int64_t patience = 0;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("optimizer", self.optimizer,
          "update rule; auto trains the head by lbfgs, blocks by adam", Any{});
    visit("head-l2", self.head_l2,
          "L2 penalty of the head with lbfgs, on standardised features (auto: "
          "by cross-validation)",
          Range{0, 1e6});
    visit("momentum", self.momentum, "of sgd; beta1 of adam", Range{0, 0.9999});
    visit("weight-decay", self.weight_decay,
          "L2 penalty on weights, not on biases and norms", Range{0, 1});
    visit("schedule", self.schedule, "fall of the rate after the warm-up",
          Any{});
    visit("warmup", self.warmup,
          "share of a stage's steps over which the rate rises from 0",
          Range{0, 0.9});
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
    visit("patience", self.patience,
          "stop after so many epochs without a better one, 0 for never",
          Range{0, 100000});
  }
};

/// `engraft train`.
struct TrainOptions {
  PlanCommandOptions base;
  std::string out;
  OptimOptions optim;
  ViewOptions view;
  std::string preview;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("out", self.out, "file to write the fine-tuned model to", Any{});
    PlanCommandOptions::fields(self.base, visit);
    OptimOptions::fields(self.optim, visit);
    ViewOptions::fields(self.view, visit);
    visit("preview", self.preview,
          "also write a contact sheet of what training sees to this PNG file",
          Any{});
  }
  /// Rules that join fields. Throws Error(Fault::usage) naming the flags.
  void validate() const;
};

}  // namespace engraft
