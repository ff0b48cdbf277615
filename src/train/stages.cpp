#include "train/stages.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engraft/threads.h"
#include "policy/words.h"
#include "train/choose_precision.h"
#include "train/keep_randomness.h"
#include "train/solved_head.h"
#include "train/validation.h"

namespace engraft {
namespace {

/// Of all classes evenly.
double loss_of_guessing(int64_t classes) {
  return std::log(static_cast<double>(classes));
}

/// A loss so far above that of guessing does not come back.
bool is_lost(double loss, int64_t classes) {
  return loss > 10 * loss_of_guessing(classes) + 10;
}

/// Of the loss of guessing. The first pass of healthy blocks came to 1.1
/// (two classes, batch statistics), those of a collapse to 1.2 at least.
constexpr double kCollapsed = 1.2;

/// Steps that train nothing: the loss was below that of guessing, and is above
/// it in two passes.
bool is_collapse(double before, double first, double second, int64_t classes) {
  const double guessing = loss_of_guessing(classes);
  return before < guessing && std::min(first, second) > kCollapsed * guessing;
}

}  // namespace

Stages::Stages(LiveChain& live, const BlockChain& chain,
               const FitSettings& settings, const TrainCallbacks& callbacks,
               FitResult& result)
    : live_(live),
      chain_(chain),
      settings_(settings),
      plan_(settings.plan),
      options_(settings.optim),
      callbacks_(callbacks),
      result_(result),
      features_(chain, settings, callbacks, [this] { return stopped(); }),
      best_(live, result),
      steps_(live, chain, settings),
      others_(settings.mix, live,
              {[this](int64_t epoch) { return validate(epoch); },
               [this](int64_t epoch) { return measure_batch_norms(epoch); },
               [this](int64_t epoch, const Validation& seen) {
                 return best_.keep_if_better(epoch, seen);
               }}),
      progress_(callbacks.progress, settings.plan.epochs) {}

void Stages::finish_others() {
  if (!result_.diverged.empty()) return others_.begin_anew();
  // What is paid for is not lost to a stop.
  const IgnoreStop ignore(*this);
  others_.finish(result_);
}

void Stages::solve() {
  EpochResult now;
  now.epoch = 1;
  now.epochs = progress_.epochs();
  now.stage = "head";
  now.solved = true;
  const Stopwatch watch;
  live_.set_cut(chain_.num_blocks());
  const auto before = features_.before_head();
  if (!before) return;  // stopped
  const auto& samples = settings_.folder.train;
  Activations& activations = *before->activations;
  const ViewRange views = before->views;
  result_.head = solve_final_layer(activations, chain_, settings_, views,
                                   [this] { return stopped(); });
  live_.set_head(result_.head->weight, result_.head->bias);
  now.train_loss = result_.head->loss;
  now.train_accuracy = result_.head->accuracy;
  now.images_per_second =
      static_cast<double>(views.count * std::ssize(samples)) / watch.seconds();
  // A stop leaves the best head so far, and that is worth keeping.
  const IgnoreStop ignore(*this);
  finish_epoch(now, watch, 0);
}

void Stages::run(const Stage& stage) {
  // Patience may have ended stages before this one early.
  const int64_t first = std::ssize(result_.epochs) + 1;
  stage_ends_ = first + stage.epochs - 1;
  progress_.set_epochs(stage_ends_ + stage.after);
  result_.early_stopped = false;
  live_.set_cut(stage.cut);
  // The head's own stage may have gone past its best epoch.
  live_.recall();
  stage_begins_ = first;
  if (stage.cut < chain_.num_blocks()) {
    // What warmed their head up does not go into the proof.
    if (plan_.proof && !blocks_began_) best_.begin_anew();
    blocks_began_ = true;
  }
  const PrecisionChoice precision = choose_precision(
      live_, chain_, settings_, features_.cut(),
      stage.epochs * features_.train().num_samples(), batches_of(first));
  if (stage.cut < chain_.num_blocks()) result_.precisions.push_back(precision);
  const int64_t steps = stage.epochs * steps_in_epoch();
  auto curve =
      steps_.begin_stage({stage.name, features_.cut(), steps, stage.rate,
                          precision.kind == TrainPrecision::bf16},
                         batches_of(first));
  if (curve) result_.rate_curves.push_back(std::move(*curve));
  others_.begin_stage(steps, steps_.falling_steps(), stage.epochs,
                      stage.after == 0);
  for (int64_t epoch = first;
       epoch <= stage_ends_ && going_on() && !result_.early_stopped; ++epoch)
    run_epoch(stage, epoch);
}

TrainingSteps::NextBatch Stages::batches_of(int64_t epoch) {
  return
      [this, epoch, begun = false]() mutable -> std::optional<Batches::Batch> {
        Batches& train = features_.train();
        if (stopped()) return std::nullopt;
        if (!begun) train.start_epoch(epoch);
        begun = true;
        auto batch = train.next();
        if (batch || stopped()) return batch;
        train.start_epoch(epoch);
        return train.next();
      };
}

int64_t Stages::steps_in_epoch() const {
  return (features_.train().num_batches() + options_.accumulate - 1) /
         options_.accumulate;
}

void Stages::run_epoch(const Stage& stage, int64_t epoch) {
  EpochResult now;
  now.epoch = epoch;
  now.epochs = progress_.epochs();
  now.stage = stage.name;
  const Stopwatch watch;
  const double waited = features_.seconds_waited();
  if (!train_epoch(now)) return;
  now.images_per_second =
      static_cast<double>(features_.train().num_samples()) / watch.seconds();
  // What training held lies in pieces that validation cannot use. Touching
  // it again takes a tenth of a second.
  if (watch.seconds() > 4) give_back_memory();
  finish_epoch(now, watch, waited);
  if (stage.ends_collapsed) look_for_collapse();
}

void Stages::look_for_collapse() {
  const auto& epochs = result_.epochs;
  const int64_t end = std::ssize(epochs), in_stage = end + 1 - stage_begins_;
  if (!blocks_began_ || !going_on() || in_stage < 2 || end < 3) return;
  const EpochResult &first = epochs[end - 2], &second = epochs[end - 1];
  if (is_collapse(epochs[end - 3].train_loss, first.train_loss,
                  second.train_loss, num_classes()))
    result_.diverged =
        text("the training loss was above that of guessing, ", std::fixed,
             std::setprecision(2), loss_of_guessing(num_classes()),
             ", in epochs ", first.epoch, " and ", second.epoch);
}

void Stages::finish_epoch(EpochResult& now, const Stopwatch& watch,
                          double waited) {
  const auto seen = validate(now.epoch);
  if (!seen) return;
  now.val_loss = seen->loss;
  now.val_accuracy = seen->accuracy;
  best_.keep_epoch(now.epoch, *seen);
  if (!now.solved) {
    const bool judged = seen->logits.defined();
    steps_.epoch_ended(judged ? now.val_loss : now.train_loss);
    others_.epoch_ended(now, judged);
  }
  now.best = best_.most_accurate_epoch() == now.epoch;
  result_.early_stopped =
      options_.patience > 0 && now.epoch < stage_ends_ &&
      now.epoch - std::max(best_.most_accurate_epoch(), stage_begins_ - 1) >=
          options_.patience;
  now.seconds = watch.seconds();
  now.seconds_waiting = features_.seconds_waited() - waited;
  progress_.epoch_took(now.seconds);
  result_.epochs.push_back(now);
  for (std::string& note : steps_.tell(now))
    result_.notes.push_back(std::move(note));
  if (callbacks_.epoch) callbacks_.epoch(now);
}

bool Stages::train_epoch(EpochResult& now) {
  Tally tally;
  const Stopwatch watch;
  features_.train().start_epoch(now.epoch);
  int64_t batches = 0, step_pictures = 0;
  while (auto batch = features_.train().next()) {
    if (stopped()) return false;
    // The batches of one step: all of them but for the last step's.
    const int64_t in_step = batches % options_.accumulate;
    const int64_t left = features_.train().num_batches() - (batches - in_step);
    const int64_t of_step = std::min(options_.accumulate, left);
    if (in_step == 0) {
      steps_.begin_step(now);
      // The last batch of an epoch may be smaller, and counts for less.
      step_pictures = std::min(options_.accumulate * batch->labels.size(0),
                               features_.train().num_samples() - tally.images);
    }
    if (!add_gradient(*batch, step_pictures, tally, now)) return false;
    if (in_step + 1 == of_step) others_.stepped(steps_.end_step());
    ++batches;
    report("train", now.epoch, tally, features_.train().num_samples(), watch);
  }
  now.train_loss = tally.mean_loss();
  now.train_accuracy = tally.accuracy();
  return true;
}

bool Stages::add_gradient(const Batches::Batch& batch, int64_t step_pictures,
                          Tally& tally, const EpochResult& now) {
  const TrainingSteps::Forward pass = steps_.forward(batch);
  const double value = pass.loss.item<double>();
  tally.add(value, count_right(pass.logits, pass.labels), pass.labels.size(0));
  if (!std::isfinite(value) || is_lost(tally.mean_loss(), num_classes())) {
    diverge("the training loss became " + std::to_string(value), now.epoch);
    return false;
  }
  const int64_t pictures = pass.labels.size(0);
  steps_.backward(pictures == step_pictures
                      ? pass.loss
                      : pass.loss * (static_cast<double>(pictures) /
                                     static_cast<double>(step_pictures)));
  return true;
}

std::optional<Validation> Stages::validate(int64_t epoch) {
  auto out = engraft::validate(
      chain_, features_,
      [&](const Tally& tally, const Stopwatch& watch) {
        report("val", epoch, tally, features_.val().num_samples(), watch);
      },
      [this] { return stopped(); });
  if (!out || std::isfinite(out->loss)) return out;
  diverge("the validation loss became " + std::to_string(out->loss), epoch);
  return std::nullopt;
}

bool Stages::measure_batch_norms(int64_t epoch) {
  constexpr int64_t kPictures = 2048;
  const KeepRandomness keep(chain_.device());
  int64_t seen = 0;
  features_.train().start_epoch(epoch);
  return live_.measure_batch_norms(
      [&]() -> torch::Tensor {
        if (seen >= kPictures || stopped()) return {};
        const auto batch = features_.train().next();
        if (!batch) return {};
        seen += batch->x.size(0);
        return batch->x.to(chain_.device());
      },
      features_.cut());
}

void Stages::diverge(const std::string& what, int64_t epoch) {
  result_.diverged = what + " in epoch " + std::to_string(epoch);
}

bool Stages::stopped() {
  if (ignore_stop_) return false;
  if (callbacks_.stop && callbacks_.stop()) result_.interrupted = true;
  return result_.interrupted;
}

void Stages::report(const char* phase, int64_t epoch, const Tally& tally,
                    int64_t images, const Stopwatch& watch) const {
  progress_.report(
      phase, epoch, tally, images,
      features_.train().num_samples() + features_.val().num_samples(), watch);
}

}  // namespace engraft
