#include "engraft/train/fit.h"

#include <ATen/Context.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/utils/clip_grad.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "engraft/threads.h"
#include "engraft/train/optimizer.h"
#include "engraft/train/rate_finder.h"
#include "engraft/train/schedule.h"
#include "engraft/train/technique.h"
#include "train/batches.h"
#include "train/other_weights.h"
#include "train/solved_head.h"

namespace engraft {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A loss so far above that of guessing evenly does not come back.
bool is_lost(double loss, int64_t classes) {
  return loss > 10 * std::log(static_cast<double>(classes)) + 10;
}

/// Running means over pictures.
struct Tally {
  double loss = 0;
  int64_t right = 0, images = 0;
  void add(double batch_loss, int64_t batch_right, int64_t batch_images) {
    loss += batch_loss * static_cast<double>(batch_images);
    right += batch_right;
    images += batch_images;
  }
  double mean_loss() const {
    return images ? loss / static_cast<double>(images) : 0;
  }
  double accuracy() const {
    return images ? static_cast<double>(right) / static_cast<double>(images)
                  : 0;
  }
};

int64_t count_right(const torch::Tensor& logits, const torch::Tensor& labels) {
  return logits.argmax(1).eq(labels).sum().item<int64_t>();
}

/// Looking at the model draws random numbers (dropout), and must not change
/// those that training draws.
class KeepRandomness {
 public:
  explicit KeepRandomness(torch::Device device) {
    for (const auto& one : {torch::Device(torch::kCPU), device}) {
      const auto generator = at::globalContext().defaultGenerator(one);
      kept_.emplace_back(generator, generator.get_state());
    }
  }
  ~KeepRandomness() {
    for (auto& [generator, state] : kept_) generator.set_state(state);
  }
  KeepRandomness(const KeepRandomness&) = delete;
  KeepRandomness& operator=(const KeepRandomness&) = delete;

 private:
  std::vector<std::pair<at::Generator, torch::Tensor>> kept_;
};

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
        weights_(class_weights(settings.optim.class_weights,
                               settings.folder.counts(settings.folder.train))),
        techniques_(make_techniques(options_, settings.mix,
                                    settings.folder.num_classes(),
                                    settings.curves_beside)),
        others_(settings.mix, live,
                {[this](int64_t epoch) { return validate(epoch); },
                 [this](int64_t epoch) { measure_batch_norms(epoch); },
                 [this](int64_t epoch, const Validation& seen) {
                   return keep_if_best(epoch, seen);
                 }}) {
    if (weights_.defined()) weights_ = weights_.to(chain.device());
  }

  FitResult run() {
    const int64_t blocks = chain_.num_blocks();
    if (plan_.proof) {
      const auto fresh = live_.snapshot();
      if (prepare(blocks, 1) && solve(1)) set_aside("the head alone");
      // An optimum on features that do not move has large weights, which the
      // batch statistics and dropout of training throw off (sign digits: loss
      // 0.07 before, 11 in the first epoch of the blocks).
      LiveChain::restore(fresh);
      live_.remember();
    }
    if (going_on() && prepare(plan_.freeze_until, plan_.views)) {
      const int64_t first = std::ssize(result_.epochs) + 1;
      if (plan_.head_epochs >= first &&
          !(plan_.solved_head && !plan_.proof && solve(plan_.views)))
        stage("head", blocks, first, plan_.head_epochs);
      if (going_on() && plan_.epochs > plan_.head_epochs)
        stage(plan_.freeze_until < blocks ? "blocks" : "head",
              plan_.freeze_until, plan_.head_epochs + 1, plan_.epochs);
      finish_others();
    }
    bool kept = settle(plan_.freeze_until);
    for (const DeeperStage& deeper : plan_.deeper) {
      if (!kept || !going_on()) break;
      kept = go_deeper(deeper);
    }
    live_.recall();
    if (kept_) result_.activations = kept_->stats();
    return std::move(result_);
  }

 private:
  LoaderOptions loader_options(bool train) const {
    LoaderOptions out;
    out.input = settings_.input;
    if (train) out.augment = plan_.augment;
    out.batch_size = plan_.batch_size;
    out.threads = settings_.run.threads;
    out.seed = static_cast<uint64_t>(settings_.run.seed);
    return out;
  }

  ActivationOptions activation_options() const {
    ActivationOptions out;
    out.input = settings_.input;
    out.augment = plan_.augment;
    out.seed = static_cast<uint64_t>(settings_.run.seed);
    out.threads = settings_.run.threads;
    out.inference = settings_.run.inference;
    out.pictures = pictures();
    out.cache = settings_.cache;
    // Without views that are used again, or with as many as epochs, the run is
    // to be what it would be without a store.
    out.exact = plan_.epochs > 1 && (views_ == 0 || views_ >= plan_.epochs);
    out.model = settings_.model;
    out.data = settings_.folder.root;
    return out;
  }

  /// That pass the frozen blocks in all.
  int64_t pictures() const {
    return std::ssize(settings_.folder.train) *
           (views_ > 0 ? views_ : plan_.epochs);
  }

  bool going_on() const {
    return !result_.interrupted && !result_.early_stopped &&
           result_.diverged.empty();
  }

  /// Weights and figures that a later stage has to beat.
  struct Aside {
    std::string name;
    LiveChain::Snapshot weights;
    Validation seen;
    int64_t epoch = 0;
  };

  /// What is best so far is put aside, and the search for the best begins
  /// anew.
  void set_aside(const std::string& name) {
    if (result_.best_epoch == 0) return;
    live_.recall();
    aside_ = {name, live_.snapshot(), best_, result_.best_epoch};
    best_ = {};
    result_.best_epoch = 0;
  }

  /// Keeps the better one of what was put aside and what came after it. True
  /// when that is the latter.
  bool settle(int64_t cut) {
    if (!aside_) return true;
    const Aside before = std::move(*aside_);
    aside_.reset();
    StageProof proof{before.name,
                     cut > 0 ? "blocks from " + std::to_string(cut) + " on"
                             : std::string("all blocks"),
                     {},
                     false};
    if (result_.best_epoch > 0) {
      // Without pictures to judge by, the plan is believed.
      proof.kept = val_->num_samples() == 0;
      if (!proof.kept) {
        proof.test =
            compare_paired(before.seen.logits, best_.logits, best_.labels);
        proof.kept = proof.test.better();
      }
      result_.proofs.push_back(proof);
    }
    if (proof.kept) return true;
    LiveChain::restore(before.weights);
    result_.best_epoch = 0;
    keep_if_best(before.epoch, before.seen);
    return false;
  }

  /// Thaws more blocks, from the weights that are there.
  bool go_deeper(const DeeperStage& deeper) {
    set_aside(result_.proofs.empty() ? "the blocks before"
                                     : result_.proofs.back().to);
    const int64_t done = std::ssize(result_.epochs);
    if (prepare(deeper.cut, deeper.views)) {
      stage("blocks", deeper.cut, done + 1, done + deeper.epochs);
      finish_others();
    }
    return settle(deeper.cut);
  }

  void finish_others() {
    if (!result_.diverged.empty()) return;
    // What is paid for is not lost to a stop.
    const IgnoreStop ignore(*this);
    others_.finish(result_);
  }

  /// Passes the pictures through the blocks in front of the cut, once for all
  /// epochs. False when the user stopped it.
  bool prepare(int64_t cut, int64_t views) {
    const ImageFolder& folder = settings_.folder;
    from_ = cut;
    views_ = views;
    train_.reset();
    val_.reset();
    prefix_.reset();
    kept_.reset();
    if (views > 0) {
      kept_ = std::make_unique<Activations>(chain_, cut, activation_options());
      take_known();
      if (evaluation_view() && !fill(*kept_, folder.train, 0)) return false;
      if (random_views() > 0 && !fill(*kept_, folder.train, random_views()))
        return false;
      const auto start = Clock::now();
      if (!fill(*kept_, folder.val, 0)) return false;
      val_fill_seconds_ = seconds_since(start);
      train_ = std::make_unique<Batches>(folder.train, loader_options(true),
                                         *kept_, random_views());
      val_ = std::make_unique<Batches>(folder.val, loader_options(false),
                                       *kept_, 0);
      return true;
    }
    if (cut > 0)
      prefix_ = std::make_unique<FrozenPrefix>(
          chain_, cut, settings_.run.inference, pictures());
    train_ = std::make_unique<Batches>(folder.train, loader_options(true),
                                       prefix_.get());
    val_ = std::make_unique<Batches>(folder.val, loader_options(false),
                                     prefix_.get());
    return true;
  }

  /// A solved head looks at the evaluation view too, where the plan came by
  /// what it gives.
  bool evaluation_view() const {
    return plan_.evaluation_view && from_ == chain_.num_blocks();
  }
  int64_t random_views() const { return views_ - (evaluation_view() ? 1 : 0); }

  void take_known() {
    const KnownFeatures* known = settings_.known;
    if (!evaluation_view() || !known || !known->rows.defined()) return;
    if (known->rows.size(1) == chain_.head().features)
      kept_->add(known->samples, known->rows, -1);
  }

  bool fill(Activations& activations, const std::vector<Sample>& samples,
            int64_t views) {
    const auto start = Clock::now();
    const auto progress = [&](int64_t done, int64_t all) {
      if (!callbacks_.progress) return;
      TrainProgress p;
      p.phase = "features";
      p.images = done;
      p.images_in_epoch = all;
      p.images_per_second = static_cast<double>(done) / seconds_since(start);
      p.eta_seconds = static_cast<double>(all - done) / p.images_per_second;
      callbacks_.progress(p);
    };
    return activations.prepare(samples, views, progress,
                               [this] { return stopped(); });
  }

  /// The head as the optimum on the features before it, as epoch 1. False
  /// when the head is not a linear layer: it is then trained in epochs.
  bool solve(int64_t views_to_see) {
    const int64_t blocks = chain_.num_blocks();
    EpochResult now;
    now.epoch = 1;
    now.epochs = plan_.epochs;
    now.stage = "head";
    now.solved = true;
    const auto start = Clock::now();
    live_.set_cut(blocks);
    std::unique_ptr<Activations> first, own;
    Activations* features = kept_.get();
    const bool whole = from_ == blocks;
    const int64_t views = whole ? std::max<int64_t>(views_to_see, 1) : 1;
    if (!features || !whole) {
      own = std::make_unique<Activations>(chain_, blocks, activation_options());
      if (!kept_ && !whole && from_ > 0) {
        // By the same two steps as with a cache, for the same bits.
        ActivationOptions passing = activation_options();
        passing.cache.cache = "none";
        passing.exact = true;
        first = std::make_unique<Activations>(chain_, from_, passing);
        if (!fill(*first, settings_.folder.train, views)) return true;
      }
      if (Activations* lower = kept_ ? kept_.get() : first.get())
        own->start_from(*lower);
      if (!fill(*own, settings_.folder.train, views)) return true;
      features = own.get();
    }
    const int64_t first_view =
        features == kept_.get() && evaluation_view() ? -1 : 0;
    if (!is_linear_head(
            chain_, features->read(settings_.folder.train, {0}, first_view)))
      return false;
    result_.head =
        solve_final_layer(*features, chain_, settings_, {first_view, views},
                          [this] { return stopped(); });
    live_.set_head(result_.head->weight, result_.head->bias);
    now.train_loss = result_.head->loss;
    now.train_accuracy = result_.head->accuracy;
    now.images_per_second =
        static_cast<double>(views * std::ssize(settings_.folder.train)) /
        seconds_since(start);
    // A stop leaves the best head so far, and that is worth keeping.
    const IgnoreStop ignore(*this);
    finish_epoch(now, start, 0);
    return true;
  }

  /// Epochs [first, last] with one optimizer and one course of the rate.
  void stage(const std::string& name, int64_t cut, int64_t first,
             int64_t last) {
    live_.set_cut(cut);
    // The head's own stage may have gone past its best epoch.
    live_.recall();
    groups_ = live_.groups(plan_, options_);
    rate_factor_ = 1;
    if (options_.find_lr) search_rate(name, first);
    optimizer_ = make_optimizer(groups_, options_);
    step_ = 0;
    const int64_t epochs = last - first + 1, steps = epochs * steps_in_epoch();
    schedule_.emplace(course(), steps);
    others_.begin_stage(steps, epochs, last == plan_.epochs);
    for (const auto& technique : techniques_)
      technique->begin_stage(chain_, cut);
    for (int64_t epoch = first; epoch <= last && going_on(); ++epoch)
      run_epoch(name, epoch);
  }

  /// Snapshots are taken where a falling rate begins anew.
  ScheduleOptions course() const {
    ScheduleOptions out = settings_.schedule;
    if (settings_.mix.snapshots > 0) {
      out.schedule = ScheduleKind::restarts;
      out.cycles = settings_.mix.snapshots;
    }
    return out;
  }

  /// Scales the groups' rates by what a range test finds, and leaves nothing
  /// else changed.
  void search_rate(const std::string& stage, int64_t epoch) {
    const KeepRandomness keep(chain_.device());
    const auto before = live_.snapshot();
    optimizer_ = make_optimizer(groups_, options_);
    train_->start_epoch(epoch);
    RateCurve curve = find_rate({}, [&](double factor) {
      auto batch = stopped() ? std::nullopt : train_->next();
      if (!batch && !stopped()) {
        train_->start_epoch(epoch);
        batch = train_->next();
      }
      if (!batch) return std::numeric_limits<double>::quiet_NaN();
      scale_rates(*optimizer_, groups_, factor);
      optimizer_->zero_grad();
      const Forward pass = forward(*batch);
      backward(pass.loss);
      descend();
      return pass.loss.item<double>();
    });
    LiveChain::restore(before);
    curve.stage = stage;
    rate_factor_ = curve.suggestion;
    for (ParameterGroup& group : groups_) group.lr *= curve.suggestion;
    result_.rate_curves.push_back(std::move(curve));
  }

  int64_t steps_in_epoch() const {
    return (train_->num_batches() + options_.accumulate - 1) /
           options_.accumulate;
  }

  void run_epoch(const std::string& stage, int64_t epoch) {
    EpochResult now;
    now.epoch = epoch;
    now.epochs = plan_.epochs;
    now.stage = stage;
    const auto start = Clock::now();
    const double waited = seconds_waited();
    if (!train_epoch(now)) return;
    now.images_per_second =
        static_cast<double>(train_->num_samples()) / seconds_since(start);
    // What training held lies in pieces that validation cannot use. Touching
    // it again takes a tenth of a second.
    if (seconds_since(start) > 4) give_back_memory();
    finish_epoch(now, start, waited);
  }

  double seconds_waited() const {
    return train_->seconds_waited() + val_->seconds_waited();
  }

  void finish_epoch(EpochResult& now, Clock::time_point start, double waited) {
    const auto seen = validate(now.epoch);
    if (!seen) return;
    now.val_loss = seen->loss;
    now.val_accuracy = seen->accuracy;
    now.best = keep_if_best(now.epoch, *seen);
    if (!now.solved) {
      schedule_->epoch_ended(now.val_loss);
      others_.epoch_ended(now);
    }
    result_.early_stopped = options_.patience > 0 &&
                            now.epoch - result_.best_epoch >= options_.patience;
    now.seconds = seconds_since(start);
    now.seconds_waiting = seconds_waited() - waited;
    epoch_seconds_ = now.seconds;
    result_.epochs.push_back(now);
    tell_techniques(now);
    if (callbacks_.epoch) callbacks_.epoch(now);
  }

  /// A full disk takes the curves, not the training.
  void tell_techniques(const EpochResult& now) {
    std::erase_if(techniques_, [&](const std::unique_ptr<Technique>& one) {
      try {
        one->epoch_ended(now);
        return false;
      } catch (const Error& error) {
        if (error.fault != Fault::io) throw;
        result_.notes.push_back(std::string("no more curves: ") + error.what());
        return true;
      }
    });
  }

  bool train_epoch(EpochResult& now) {
    Tally tally;
    const auto start = Clock::now();
    train_->start_epoch(now.epoch);
    int64_t batches = 0;
    while (auto batch = train_->next()) {
      if (stopped()) return false;
      // The batches of one step: all of them but for the last step's.
      const int64_t in_step = batches % options_.accumulate;
      const int64_t left = train_->num_batches() - (batches - in_step);
      const int64_t of_step = std::min(options_.accumulate, left);
      if (in_step == 0) begin_step(now);
      if (!add_gradient(*batch, of_step, tally, now)) return false;
      if (in_step + 1 == of_step) {
        for (const auto& technique : techniques_)
          technique->before_step(groups_);
        descend();
        for (const auto& technique : techniques_) technique->after_step();
        others_.stepped(schedule_->ends_cycle(step_ - 1));
      }
      ++batches;
      report("train", now.epoch, tally, train_->num_samples(), start);
    }
    now.train_loss = tally.mean_loss();
    now.train_accuracy = tally.accuracy();
    return true;
  }

  void begin_step(EpochResult& now) {
    const double factor = schedule_->factor(step_++);
    scale_rates(*optimizer_, groups_, factor);
    now.head_lr = plan_.head_lr * rate_factor_ * factor;
    now.backbone_lr = live_.cut() < chain_.num_blocks()
                          ? plan_.backbone_lr * rate_factor_ * factor
                          : 0;
    optimizer_->zero_grad();
  }

  struct Forward {
    torch::Tensor logits, labels, loss;
  };

  Forward forward(const Batches::Batch& batch) {
    TrainBatch given{
        batch.x.to(chain_.device()), batch.labels.to(chain_.device()), {}};
    for (const auto& technique : techniques_) technique->batch(given);
    const auto logits = live_.forward(given.x, from_);
    const auto loss = torch::nn::functional::cross_entropy(
        logits, given.targets.defined() ? given.targets : given.labels,
        torch::nn::functional::CrossEntropyFuncOptions()
            .weight(weights_)
            .label_smoothing(options_.label_smoothing.value_or(0.1)));
    return {logits, given.labels, loss};
  }

  bool add_gradient(const Batches::Batch& batch, int64_t of_step, Tally& tally,
                    const EpochResult& now) {
    const Forward pass = forward(batch);
    const double value = pass.loss.item<double>();
    tally.add(value, count_right(pass.logits, pass.labels),
              pass.labels.size(0));
    if (!std::isfinite(value) || is_lost(tally.mean_loss(), num_classes())) {
      diverge("the training loss became " + std::to_string(value), now.epoch);
      return false;
    }
    backward(of_step == 1 ? pass.loss
                          : pass.loss / static_cast<double>(of_step));
    return true;
  }

  void backward(const torch::Tensor& loss) const {
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

  void descend() {
    if (options_.clip_norm > 0)
      torch::nn::utils::clip_grad_norm_(live_.live_parameters(),
                                        options_.clip_norm);
    optimizer_->step();
  }

  int64_t num_classes() const { return settings_.folder.num_classes(); }

  /// Nullopt when the user stopped it or it is no number.
  std::optional<Validation> validate(int64_t epoch) {
    Validation out;
    if (val_->num_samples() == 0) return out;
    torch::NoGradGuard no_grad;
    Tally tally;
    std::vector<torch::Tensor> logits, labels;
    const auto start = Clock::now();
    val_->start_epoch(1);
    while (auto batch = val_->next()) {
      if (stopped()) return std::nullopt;
      const auto seen = chain_
                            .run_frozen(batch->x.to(chain_.device()), from_,
                                        chain_.num_blocks() + 1)
                            .cpu()
                            .to(torch::kFloat);
      tally.add(torch::nn::functional::cross_entropy(seen, batch->labels)
                    .item<double>(),
                count_right(seen, batch->labels), seen.size(0));
      logits.push_back(seen);
      labels.push_back(batch->labels);
      report("val", epoch, tally, val_->num_samples(), start);
    }
    out.loss = tally.mean_loss();
    out.accuracy = tally.accuracy();
    out.logits = torch::cat(logits);
    out.labels = torch::cat(labels);
    out.seconds = seconds_since(start);
    if (std::isfinite(out.loss)) return out;
    diverge("the validation loss became " + std::to_string(out.loss), epoch);
    return std::nullopt;
  }

  /// The running statistics of live batch norms belong to the weights that
  /// were, not to an average of them: taken anew from pictures of this epoch.
  void measure_batch_norms(int64_t epoch) {
    constexpr int64_t kPictures = 2048;
    const KeepRandomness keep(chain_.device());
    int64_t seen = 0;
    train_->start_epoch(epoch);
    live_.measure_batch_norms(
        [&]() -> torch::Tensor {
          if (seen >= kPictures || stopped()) return {};
          const auto batch = train_->next();
          if (!batch) return {};
          seen += batch->x.size(0);
          return batch->x.to(chain_.device());
        },
        from_);
  }

  bool keep_if_best(int64_t epoch, const Validation& seen) {
    const bool better =
        result_.best_epoch == 0 || val_->num_samples() == 0 ||
        seen.accuracy > best_.accuracy ||
        (seen.accuracy == best_.accuracy && seen.loss < best_.loss);
    if (!better) return false;
    best_ = seen;
    result_.best_epoch = epoch;
    result_.val_logits = seen.logits;
    result_.val_labels = seen.labels;
    result_.val_seconds = val_fill_seconds_ + seen.seconds;
    live_.remember();
    return true;
  }

  void diverge(const std::string& what, int64_t epoch) {
    result_.diverged = what + " in epoch " + std::to_string(epoch) +
                       "; a lower --lr or --backbone-lr keeps it stable";
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
              int64_t images, Clock::time_point start) const {
    if (!callbacks_.progress) return;
    TrainProgress p;
    p.phase = phase;
    p.epoch = epoch;
    p.epochs = plan_.epochs;
    p.images = tally.images;
    p.images_in_epoch = images;
    p.loss = tally.mean_loss();
    const double spent = seconds_since(start);
    p.images_per_second = static_cast<double>(tally.images) / spent;
    // The first epoch has no other to go by: validation is taken to run as
    // fast as training.
    const double epoch_seconds =
        epoch_seconds_ > 0
            ? epoch_seconds_
            : static_cast<double>(train_->num_samples() + val_->num_samples()) /
                  p.images_per_second;
    p.eta_seconds =
        static_cast<double>(plan_.epochs - epoch) * epoch_seconds +
        static_cast<double>(images - tally.images) / p.images_per_second;
    callbacks_.progress(p);
  }

  LiveChain& live_;
  const BlockChain& chain_;
  const FitSettings& settings_;
  const TransferPlan& plan_;
  const OptimOptions& options_;
  const TrainCallbacks& callbacks_;
  std::unique_ptr<Activations> kept_;
  std::unique_ptr<FrozenPrefix> prefix_;  ///< where nothing is kept
  std::unique_ptr<Batches> train_, val_;
  torch::Tensor weights_;
  Techniques techniques_;
  OtherWeights others_;
  bool ignore_stop_ = false;
  std::vector<ParameterGroup> groups_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::optional<Schedule> schedule_;
  int64_t step_ = 0;
  double rate_factor_ = 1;  ///< of the stage's range test
  double epoch_seconds_ = 0, val_fill_seconds_ = 0;
  int64_t from_ = 0, views_ = 0;  ///< of the features in hand
  std::optional<Aside> aside_;
  Validation best_;
  FitResult result_;
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
