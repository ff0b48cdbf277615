#include "train/steps.h"

#include <torch/nn/functional/loss.h>
#include <torch/nn/utils/clip_grad.h>

#include <limits>

#include "engraft/train/rate_finder.h"
#include "train/undo.h"

namespace engraft {
namespace {

/// Snapshots are taken where a falling rate begins anew.
ScheduleOptions course(const FitSettings& settings) {
  ScheduleOptions out = settings.schedule;
  if (settings.mix.snapshots > 0) {
    out.schedule = ScheduleKind::restarts;
    out.cycles = settings.mix.snapshots;
  }
  return out;
}

}  // namespace

TrainingSteps::TrainingSteps(LiveChain& live, const BlockChain& chain,
                             const FitSettings& settings)
    : live_(live),
      chain_(chain),
      settings_(settings),
      plan_(settings.plan),
      options_(settings.optim),
      weights_(class_weights(settings.optim.class_weights,
                             settings.folder.counts(settings.folder.train))),
      techniques_(make_techniques(options_, settings.mix,
                                  settings.folder.num_classes(),
                                  settings.curves_beside)) {
  if (weights_.defined()) weights_ = weights_.to(chain.device());
}

std::optional<RateCurve> TrainingSteps::begin_stage(const Stage& stage,
                                                    const NextBatch& next) {
  stage_ = stage;
  TransferPlan scaled = plan_;
  head_lr_ = scaled.head_lr *= stage.rate.head;
  backbone_lr_ = scaled.backbone_lr *= stage.rate.backbone;
  groups_ = live_.groups(scaled, options_);
  std::optional<RateCurve> curve;
  if (options_.find_lr) curve = search_rate(next);
  optimizer_ = make_optimizer(groups_, options_);
  step_ = 0;
  schedule_.emplace(course(settings_), stage.steps);
  for (const auto& technique : techniques_)
    technique->begin_stage(chain_, live_.cut());
  return curve;
}

void TrainingSteps::scale(double factor) {
  head_lr_ *= factor;
  backbone_lr_ *= factor;
  for (ParameterGroup& group : groups_) group.lr *= factor;
}

/// Scales the groups' rates by what a range test finds, and leaves nothing else
/// changed.
RateCurve TrainingSteps::search_rate(const NextBatch& next) {
  const Undo undo(live_, chain_.device());
  optimizer_ = make_optimizer(groups_, options_);
  RateCurve curve = find_rate({}, [&](double factor) {
    const auto batch = next();
    if (!batch) return std::numeric_limits<double>::quiet_NaN();
    scale_rates(*optimizer_, groups_, factor);
    optimizer_->zero_grad();
    const Forward pass = forward(*batch);
    backward(pass.loss);
    descend();
    return pass.loss.item<double>();
  });
  curve.stage = stage_.name;
  scale(curve.suggestion);
  return curve;
}

void TrainingSteps::begin_step(EpochResult& now) {
  const double factor = schedule_->factor(step_++);
  scale_rates(*optimizer_, groups_, factor);
  now.head_lr = head_lr_ * factor;
  now.backbone_lr =
      live_.cut() < chain_.num_blocks() ? backbone_lr_ * factor : 0;
  optimizer_->zero_grad();
}

TrainingSteps::Forward TrainingSteps::forward(const Batches::Batch& batch) {
  TrainBatch given{
      batch.x.to(chain_.device()), batch.labels.to(chain_.device()), {}};
  for (const auto& technique : techniques_) technique->batch(given);
  const auto logits = live_.forward(given.x, stage_.begin, stage_.bfloat16);
  const auto loss = torch::nn::functional::cross_entropy(
      logits, given.targets.defined() ? given.targets : given.labels,
      torch::nn::functional::CrossEntropyFuncOptions()
          .weight(weights_)
          .label_smoothing(options_.label_smoothing.value_or(0.1)));
  return {logits, given.labels, loss};
}

void TrainingSteps::backward(const torch::Tensor& loss) const {
  try {
    loss.backward();
  } catch (const c10::Error& error) {
    // Only the message tells it from other errors.
    const std::string said = error.what_without_backtrace();
    if (said.rfind("derivative for ", 0) != 0) throw;
    fail(Fault::model, settings_.model, ": cannot be trained from block ",
         live_.cut(), " on: ", said,
         "; --freeze-until gives a later block, or `all` for the head alone");
  }
}

void TrainingSteps::descend() {
  if (options_.clip_norm > 0)
    torch::nn::utils::clip_grad_norm_(live_.live_parameters(),
                                      options_.clip_norm);
  optimizer_->step();
}

bool TrainingSteps::end_step() {
  for (const auto& technique : techniques_) technique->before_step(groups_);
  descend();
  for (const auto& technique : techniques_) technique->after_step();
  return schedule_->ends_cycle(step_ - 1);
}

void TrainingSteps::epoch_ended(double loss) { schedule_->epoch_ended(loss); }

std::vector<std::string> TrainingSteps::tell(const EpochResult& now) {
  std::vector<std::string> notes;
  std::erase_if(techniques_, [&](const std::unique_ptr<Technique>& one) {
    try {
      one->epoch_ended(now);
      return false;
    } catch (const Error& error) {
      if (error.fault != Fault::io) throw;
      notes.push_back(std::string("no more curves: ") + error.what());
      return true;
    }
  });
  return notes;
}

}  // namespace engraft
