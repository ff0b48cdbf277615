#pragma once

#include <torch/optim/optimizer.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engraft/train/fit.h"
#include "engraft/train/optimizer.h"
#include "engraft/train/schedule.h"
#include "engraft/train/technique.h"
#include "train/batches.h"

namespace engraft {

/// How much of the plan's rates a stage takes.
struct RateShare {
  double head = 1, backbone = 1;
};

/// The steps of a run: losses and gradients of batches, and what the optimizer
/// and the techniques make of them, by the course of each stage's rates.
class TrainingSteps {
 public:
  /// All must outlive it.
  TrainingSteps(LiveChain& live, const BlockChain& chain,
                const FitSettings& settings);

  /// A stage of live blocks that the LiveChain's cut begins.
  struct Stage {
    std::string name;
    int64_t begin = 0;  ///< block that the batches are the input of
    int64_t steps = 0;  ///< in all its epochs
    RateShare rate;
    bool bfloat16 = false;
  };
  using NextBatch = std::function<std::optional<Batches::Batch>()>;

  /// One optimizer and one course of the rate for all steps of the stage.
  /// \param next  a batch for a range test; nullopt ends it
  /// \returns the range test's curve, where one is asked for
  std::optional<RateCurve> begin_stage(const Stage& stage,
                                       const NextBatch& next);

  /// Sets the rates of the step that begins, into `now` too, and takes the
  /// gradients away.
  void begin_step(EpochResult& now);

  struct Forward {
    torch::Tensor logits, labels, loss;  ///< the loss a scalar, mean of a batch
  };
  /// What the batch gives, with the techniques' changes.
  Forward forward(const Batches::Batch& batch);

  /// Adds the gradient. Throws Error(Fault::model) where the graph has none.
  void backward(const torch::Tensor& loss) const;

  /// Takes the step.
  /// \returns whether the rate's cycle ends with it
  bool end_step();

  /// \param loss  of validation, or where there is none of training
  void epoch_ended(double loss);

  /// Tells the techniques. What a full disk takes away (the curves, not the
  /// training) is given back as notes.
  std::vector<std::string> tell(const EpochResult& now);

  int64_t falling_steps() const { return schedule_->falling_steps(); }

 private:
  void scale(double factor);
  void descend();
  RateCurve search_rate(const NextBatch& next);

  LiveChain& live_;
  const BlockChain& chain_;
  const FitSettings& settings_;
  const TransferPlan& plan_;
  const OptimOptions& options_;
  torch::Tensor weights_;  ///< of the classes in the loss
  Techniques techniques_;
  Stage stage_;
  std::vector<ParameterGroup> groups_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::optional<Schedule> schedule_;
  int64_t step_ = 0;
  double head_lr_ = 0, backbone_lr_ = 0;  ///< of the stage, at their highest
};

}  // namespace engraft
