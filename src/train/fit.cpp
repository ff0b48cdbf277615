#include "engraft/train/fit.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engraft/threads.h"
#include "policy/words.h"
#include "statistics.h"
#include "stopwatch.h"
#include "train/best_weights.h"
#include "train/choose_precision.h"
#include "train/cut_features.h"
#include "train/epoch_progress.h"
#include "train/keep_randomness.h"
#include "train/other_weights.h"
#include "train/solved_head.h"
#include "train/steps.h"
#include "train/tally.h"
#include "train/validation.h"

namespace engraft {
namespace {

/// Standard errors by which blocks are worse than the head alone not by chance:
/// their steps were too large.
constexpr double kHarmed = -2;

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

constexpr const char* kHeadAlone = "the head alone";

class Fit {
 public:
  Fit(LiveChain& live, const BlockChain& chain, const FitSettings& settings,
      const TrainCallbacks& callbacks)
      : live_(live),
        chain_(chain),
        settings_(settings),
        plan_(settings.plan),
        options_(settings.optim),
        callbacks_(callbacks),
        features_(chain, settings, callbacks, [this] { return stopped(); }),
        best_(live, result_),
        steps_(live, chain, settings),
        others_(settings.mix, live,
                {[this](int64_t epoch) { return validate(epoch); },
                 [this](int64_t epoch) { return measure_batch_norms(epoch); },
                 [this](int64_t epoch, const Validation& seen) {
                   return best_.keep_if_better(epoch, seen);
                 }}),
        retries_left_(settings.plan.retries),
        progress_(callbacks.progress, settings.plan.epochs) {}

  FitResult run() {
    const int64_t blocks = chain_.num_blocks();
    check_precision(live_, chain_, settings_);
    LiveChain::Snapshot fresh;
    if (plan_.proof) {
      fresh = live_.snapshot();
      if (features_.prepare(blocks, 1)) {
        solve();
        best_.set_aside(kHeadAlone);
      }
      begin_from(fresh);
    }
    if (going_on() && !head_is_enough() &&
        features_.prepare(plan_.freeze_until, plan_.views)) {
      if (plan_.solved_head && !plan_.proof) solve();
      train_stages(std::ssize(result_.epochs));
      finish_others();
    }
    bool kept = settle(blocks_from(plan_.freeze_until), plan_.proof_errors);
    RateShare rate, tried;  // of what stays, and of the last try
    auto statistics = plan_.bn_statistics;
    while (retries_left_ > 0 && is_harmed(kept)) {
      --retries_left_;
      tried.backbone *= plan_.retry_rate;
      // It was the head that diverged.
      if (!blocks_began_) tried.head *= plan_.retry_rate;
      if (!take_smaller_steps(fresh, tried)) continue;
      kept = true;
      rate = tried;
    }
    const bool took_smaller_steps = retries_left_ < plan_.retries;
    retries_left_ = 0;
    if (plan_.second_try_rate && plan_.proof && blocks_began_ &&
        !took_smaller_steps && !result_.interrupted &&
        result_.diverged.empty() && take_other_statistics(fresh, kept)) {
      kept = true;
      rate.backbone = *plan_.second_try_rate;
      statistics = BatchNormStatistics::running;
    }
    result_.steps = {plan_.head_lr * rate.head,
                     plan_.backbone_lr * rate.backbone, statistics};
    for (const DeeperStage& deeper : plan_.deeper) {
      if (!kept || !going_on()) break;
      kept = go_deeper(deeper, rate);
    }
    live_.recall();
    if (!result_.diverged.empty())
      result_.diverged += "; a lower --lr or --backbone-lr keeps it stable";
    result_.activations = features_.stats();
    for (std::string& note : result_.others.notes)
      result_.notes.push_back(std::move(note));
    return std::move(result_);
  }

 private:
  bool going_on() const {
    return !result_.interrupted && result_.diverged.empty();
  }

  /// The head alone gets so many validation pictures right that even blocks
  /// which got all of them would not be better by what is asked. They could be
  /// by their loss alone, which is not worth the time: ants and bees lost by
  /// blocks that were.
  bool head_is_enough() {
    if (!plan_.proof || plan_.proof_errors <= 0 || result_.epochs.empty())
      return false;
    const int64_t pictures = features_.val().num_samples();
    const int64_t wrong = std::llround((1 - result_.epochs[0].val_accuracy) *
                                       static_cast<double>(pictures));
    if (pictures == 0 || mcnemar_z(wrong, 0) > plan_.proof_errors) return false;
    const std::string shown =
        wrong == 0
            ? text("all ", pictures,
                   " validation pictures right, and blocks could get no more "
                   "of them")
            : text(pictures - wrong, " of ", pictures,
                   " validation pictures right, and blocks that got all of "
                   "them would not be better by more than the ",
                   plan_.proof_errors, " standard errors asked for");
    result_.notes.push_back("no blocks are trained: the head alone gets " +
                            shown);
    return true;
  }

  static std::string blocks_from(int64_t cut) {
    return cut > 0 ? "blocks from " + std::to_string(cut) + " on"
                   : "all blocks";
  }

  /// The stages of the plan: the head alone, then the blocks.
  /// \param done  epochs of theirs that there are (the head's solution)
  void train_stages(int64_t done, RateShare rate = {}) {
    const int64_t blocks = chain_.num_blocks();
    const int64_t after = plan_.epochs - plan_.head_epochs;
    if (going_on() && plan_.head_epochs > done)
      stage("head", blocks, plan_.head_epochs - done, after, rate);
    if (going_on() && after > 0)
      stage(plan_.freeze_until < blocks ? "blocks" : "head", plan_.freeze_until,
            after, 0, rate);
  }

  /// Training is to begin with these weights. An optimum on features that do
  /// not move has large ones, which the batch statistics and dropout of
  /// training throw off (sign digits: loss 0.07 before, 11 in the first epoch
  /// of the blocks).
  void begin_from(const LiveChain::Snapshot& fresh) {
    LiveChain::restore(fresh);
    live_.remember();
  }

  /// Whether what was trained, stays (BestWeights::settle).
  bool settle(const std::string& name, double errors) {
    // A head of some steps is no blocks that could stay instead of the solved.
    if (plan_.proof && !blocks_began_) best_.begin_anew();
    const bool kept = best_.settle(name, errors);
    if (!kept) {
      result_.others.soup.clear();
      result_.others.batch_norms.reset();
    }
    return kept;
  }

  /// Smaller steps could do better than what the last ones did.
  bool is_harmed(bool kept) const {
    // Without a head to go back to, the features themselves are no numbers.
    if (result_.interrupted || result_.epochs.empty()) return false;
    if (!result_.diverged.empty()) return true;
    // Once steps were too large, those that are still less accurate probably
    // are.
    const double harmed = retries_left_ < plan_.retries ? 0 : kHarmed;
    return !kept && !result_.proofs.empty() &&
           result_.proofs.back().test.accuracy_z < harmed;
  }

  /// The blocks once more, from the beginning; what is there is put aside.
  void train_again(const LiveChain::Snapshot& fresh, RateShare rate) {
    blocks_began_ = false;
    result_.others = {};
    best_.set_aside(what_stayed());
    begin_from(fresh);
    // The head's solution is there.
    train_stages(1, rate);
    finish_others();
  }

  /// By the proofs, for people.
  std::string what_stayed() const {
    std::string out = kHeadAlone;
    for (const StageProof& proof : result_.proofs)
      if (proof.kept) out = proof.to;
    return out;
  }

  /// What they are compared with may be blocks too: those of an epoch before
  /// training diverged.
  bool take_smaller_steps(const LiveChain::Snapshot& fresh, RateShare rate) {
    const std::string share =
        text("1/", std::llround(1 / rate.backbone),
             rate.head < 1 ? " of the rates" : " of the backbone's rate");
    result_.notes.push_back(text(
        "the steps were too large (",
        result_.diverged.empty()
            ? text("less accurate than the head alone by ", std::fixed,
                   std::setprecision(1), -result_.proofs.back().test.accuracy_z,
                   " standard errors")
            : result_.diverged,
        "): the blocks were trained anew at ", share));
    result_.diverged.clear();
    train_again(fresh, rate);
    return settle(blocks_from(plan_.freeze_until) + " at " + share,
                  plan_.proof_errors);
  }

  /// What a try that does not stay leaves as it was, beside the weights.
  struct BesideWeights {
    OtherResults others;
    bool early_stopped;
  };
  BesideWeights beside_weights() const {
    return {result_.others, result_.early_stopped};
  }
  void put_back(BesideWeights before) {
    result_.others = std::move(before.others);
    result_.early_stopped = before.early_stopped;
  }

  /// \param kept  what they are compared with are blocks
  bool take_other_statistics(const LiveChain::Snapshot& fresh, bool kept) {
    BesideWeights before = beside_weights();
    live_.normalise_by(BatchNormStatistics::running);
    train_again(fresh, {1, *plan_.second_try_rate});
    const std::string name =
        blocks_from(plan_.freeze_until) + " by pretraining's statistics";
    const std::string diverged = std::exchange(result_.diverged, "");
    // Rates had not fallen yet where it did not come to its end: as many right
    // may be chance then.
    const double errors = result_.interrupted || !diverged.empty() ? 1 : 0;
    const bool better = settle(name, kept ? errors : plan_.proof_errors);
    if (!diverged.empty())
      result_.notes.push_back(
          name + (better ? " went no further: " : " do not stay: ") + diverged);
    if (better) return true;
    live_.normalise_by(plan_.bn_statistics);
    put_back(std::move(before));
    return false;
  }

  /// Thaws more blocks, from the weights that are there.
  /// \param rate  by which those before were trained
  bool go_deeper(const DeeperStage& deeper, RateShare rate) {
    best_.set_aside(what_stayed());
    BesideWeights before = beside_weights();
    if (features_.prepare(deeper.cut, deeper.views)) {
      stage("blocks", deeper.cut, deeper.epochs, 0,
            {deeper.rate * rate.head, deeper.rate * rate.backbone});
      finish_others();
    }
    const bool kept =
        best_.settle(blocks_from(deeper.cut), deeper.proof_errors);
    if (!kept) put_back(std::move(before));
    return kept;
  }

  void finish_others() {
    if (!result_.diverged.empty()) return others_.begin_anew();
    // What is paid for is not lost to a stop.
    const IgnoreStop ignore(*this);
    others_.finish(result_);
  }

  /// The head as the optimum on the features before it, as epoch 1.
  void solve() {
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
        static_cast<double>(views.count * std::ssize(samples)) /
        watch.seconds();
    // A stop leaves the best head so far, and that is worth keeping.
    const IgnoreStop ignore(*this);
    finish_epoch(now, watch, 0);
  }

  /// So many epochs with one optimizer and one course of the rate, from `rate`
  /// of the plan's on.
  /// \param after  epochs of the stages that are sure to follow
  void stage(const std::string& name, int64_t cut, int64_t epochs,
             int64_t after, RateShare rate) {
    // Patience may have ended stages before this one early.
    const int64_t first = std::ssize(result_.epochs) + 1;
    stage_ends_ = first + epochs - 1;
    progress_.set_epochs(stage_ends_ + after);
    result_.early_stopped = false;
    live_.set_cut(cut);
    // The head's own stage may have gone past its best epoch.
    live_.recall();
    stage_begins_ = first;
    if (cut < chain_.num_blocks()) {
      // What warmed their head up does not go into the proof.
      if (plan_.proof && !blocks_began_) best_.begin_anew();
      blocks_began_ = true;
    }
    const PrecisionChoice precision = choose_precision(
        live_, chain_, settings_, features_.cut(),
        epochs * features_.train().num_samples(), batches_of(first));
    if (cut < chain_.num_blocks()) result_.precisions.push_back(precision);
    const int64_t steps = epochs * steps_in_epoch();
    auto curve = steps_.begin_stage({name, features_.cut(), steps, rate,
                                     precision.kind == TrainPrecision::bf16},
                                    batches_of(first));
    if (curve) result_.rate_curves.push_back(std::move(*curve));
    others_.begin_stage(steps, steps_.falling_steps(), epochs, after == 0);
    for (int64_t epoch = first;
         epoch <= stage_ends_ && going_on() && !result_.early_stopped; ++epoch)
      run_epoch(name, epoch);
  }

  /// The epoch's training batches, again and again.
  TrainingSteps::NextBatch batches_of(int64_t epoch) {
    return [this, epoch,
            begun = false]() mutable -> std::optional<Batches::Batch> {
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

  int64_t steps_in_epoch() const {
    return (features_.train().num_batches() + options_.accumulate - 1) /
           options_.accumulate;
  }

  void run_epoch(const std::string& stage, int64_t epoch) {
    EpochResult now;
    now.epoch = epoch;
    now.epochs = progress_.epochs();
    now.stage = stage;
    const Stopwatch watch;
    const double waited = features_.seconds_waited();
    if (!train_epoch(now)) return;
    now.images_per_second =
        static_cast<double>(features_.train().num_samples()) / watch.seconds();
    // What training held lies in pieces that validation cannot use. Touching
    // it again takes a tenth of a second.
    if (watch.seconds() > 4) give_back_memory();
    finish_epoch(now, watch, waited);
    if (retries_left_ > 0) look_for_collapse();
  }

  /// The other passes of steps that are too large are not worth their time
  /// where smaller ones are to come.
  void look_for_collapse() {
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

  void finish_epoch(EpochResult& now, const Stopwatch& watch, double waited) {
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

  bool train_epoch(EpochResult& now) {
    Tally tally;
    const Stopwatch watch;
    features_.train().start_epoch(now.epoch);
    int64_t batches = 0, step_pictures = 0;
    while (auto batch = features_.train().next()) {
      if (stopped()) return false;
      // The batches of one step: all of them but for the last step's.
      const int64_t in_step = batches % options_.accumulate;
      const int64_t left =
          features_.train().num_batches() - (batches - in_step);
      const int64_t of_step = std::min(options_.accumulate, left);
      if (in_step == 0) {
        steps_.begin_step(now);
        // The last batch of an epoch may be smaller, and counts for less.
        step_pictures =
            std::min(options_.accumulate * batch->labels.size(0),
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

  /// step_pictures  that the step has in all its batches
  bool add_gradient(const Batches::Batch& batch, int64_t step_pictures,
                    Tally& tally, const EpochResult& now) {
    const TrainingSteps::Forward pass = steps_.forward(batch);
    const double value = pass.loss.item<double>();
    tally.add(value, count_right(pass.logits, pass.labels),
              pass.labels.size(0));
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

  int64_t num_classes() const { return settings_.folder.num_classes(); }

  /// Nullopt when the user stopped it or it is no number.
  std::optional<Validation> validate(int64_t epoch) {
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

  /// The running statistics of live batch norms belong to the weights that
  /// were, not to an average of them: taken anew from pictures of this epoch.
  bool measure_batch_norms(int64_t epoch) {
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

  void diverge(const std::string& what, int64_t epoch) {
    result_.diverged = what + " in epoch " + std::to_string(epoch);
  }

  /// While it lives, the user's wish to stop is not heard.
  struct IgnoreStop {
    explicit IgnoreStop(Fit& fit) : fit(fit) { fit.ignore_stop_ = true; }
    ~IgnoreStop() { fit.ignore_stop_ = false; }
    Fit& fit;
  };

  bool stopped() {
    if (ignore_stop_) return false;
    if (callbacks_.stop && callbacks_.stop()) result_.interrupted = true;
    return result_.interrupted;
  }

  void report(const char* phase, int64_t epoch, const Tally& tally,
              int64_t images, const Stopwatch& watch) const {
    progress_.report(
        phase, epoch, tally, images,
        features_.train().num_samples() + features_.val().num_samples(), watch);
  }

  LiveChain& live_;
  const BlockChain& chain_;
  const FitSettings& settings_;
  const TransferPlan& plan_;
  const OptimOptions& options_;
  const TrainCallbacks& callbacks_;
  FitResult result_;
  CutFeatures features_;
  BestWeights best_;
  TrainingSteps steps_;
  OtherWeights others_;
  bool ignore_stop_ = false;
  bool blocks_began_ = false;
  int64_t retries_left_;      ///< of the plan's
  int64_t stage_begins_ = 1;  ///< its first epoch
  int64_t stage_ends_ = 0;    ///< its last epoch, unless patience ends it
  EpochProgress progress_;
};

}  // namespace

FitResult fit(LiveChain& live, const BlockChain& chain,
              const FitSettings& settings, const TrainCallbacks& callbacks) {
  return Fit(live, chain, settings, callbacks).run();
}

torch::Tensor class_weights(ClassWeights kind,
                            const std::vector<int64_t>& counts) {
  if (kind == ClassWeights::none) return {};
  const auto n = torch::tensor(counts, torch::kDouble);
  const auto weights = n.sum() / (static_cast<double>(counts.size()) * n);
  return torch::where(n > 0, weights, torch::zeros_like(n)).to(torch::kFloat);
}

}  // namespace engraft
