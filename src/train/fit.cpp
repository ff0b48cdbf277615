#include "engraft/train/fit.h"

#include <torch/nn/functional/loss.h>
#include <torch/nn/utils/clip_grad.h>

#include <chrono>
#include <cmath>
#include <utility>

#include "engraft/threads.h"
#include "engraft/train/optimizer.h"
#include "engraft/train/schedule.h"
#include "train/batches.h"
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
                               settings.folder.counts(settings.folder.train))) {
    if (weights_.defined()) weights_ = weights_.to(chain.device());
  }

  FitResult run() {
    if (prepare()) {
      const int64_t blocks = chain_.num_blocks();
      if (plan_.head_epochs > 0 && !(plan_.solved_head && solve()))
        stage("head", blocks, 1, plan_.head_epochs);
      if (going_on() && plan_.epochs > plan_.head_epochs)
        stage(plan_.freeze_until < blocks ? "blocks" : "head",
              plan_.freeze_until, plan_.head_epochs + 1, plan_.epochs);
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
    out.exact =
        plan_.epochs > 1 && (plan_.views == 0 || plan_.views >= plan_.epochs);
    out.model = settings_.model;
    out.data = settings_.folder.root;
    return out;
  }

  /// That pass the frozen blocks in all.
  int64_t pictures() const {
    return std::ssize(settings_.folder.train) *
           (plan_.views > 0 ? plan_.views : plan_.epochs);
  }

  bool going_on() const {
    return !result_.interrupted && !result_.early_stopped &&
           result_.diverged.empty();
  }

  /// Passes the pictures through the frozen blocks, once for all epochs. False
  /// when the user stopped it.
  bool prepare() {
    const ImageFolder& folder = settings_.folder;
    if (plan_.views > 0) {
      kept_ = std::make_unique<Activations>(chain_, plan_.freeze_until,
                                            activation_options());
      if (!fill(*kept_, folder.train, plan_.views)) return false;
      const auto start = Clock::now();
      if (!fill(*kept_, folder.val, 0)) return false;
      val_fill_seconds_ = seconds_since(start);
      train_ = std::make_unique<Batches>(folder.train, loader_options(true),
                                         *kept_, plan_.views);
      val_ = std::make_unique<Batches>(folder.val, loader_options(false),
                                       *kept_, 0);
      return true;
    }
    if (plan_.freeze_until > 0)
      prefix_ = std::make_unique<FrozenPrefix>(
          chain_, plan_.freeze_until, settings_.run.inference, pictures());
    train_ = std::make_unique<Batches>(folder.train, loader_options(true),
                                       prefix_.get());
    val_ = std::make_unique<Batches>(folder.val, loader_options(false),
                                     prefix_.get());
    return true;
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
  bool solve() {
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
    const bool whole = plan_.freeze_until == blocks;
    const int64_t views = whole ? std::max<int64_t>(plan_.views, 1) : 1;
    if (!features || !whole) {
      own = std::make_unique<Activations>(chain_, blocks, activation_options());
      if (!kept_ && !whole && plan_.freeze_until > 0) {
        // By the same two steps as with a cache, for the same bits.
        ActivationOptions passing = activation_options();
        passing.cache.cache = "none";
        passing.exact = true;
        first =
            std::make_unique<Activations>(chain_, plan_.freeze_until, passing);
        if (!fill(*first, settings_.folder.train, views)) return true;
      }
      if (Activations* lower = kept_ ? kept_.get() : first.get())
        own->start_from(*lower);
      if (!fill(*own, settings_.folder.train, views)) return true;
      features = own.get();
    }
    if (!is_linear_head(chain_, features->read(settings_.folder.train, {0}, 0)))
      return false;
    result_.head = solve_final_layer(*features, chain_, settings_, views,
                                     [this] { return stopped(); });
    live_.set_head(result_.head->weight, result_.head->bias);
    now.train_loss = result_.head->loss;
    now.train_accuracy = result_.head->accuracy;
    now.images_per_second =
        static_cast<double>(views * std::ssize(settings_.folder.train)) /
        seconds_since(start);
    // A stop leaves the best head so far, and that is worth keeping.
    ignore_stop_ = true;
    const bool valid = validate(now);
    ignore_stop_ = false;
    if (valid) finish_epoch(now, start, 0);
    return true;
  }

  /// Epochs [first, last] with one optimizer and one course of the rate.
  void stage(const std::string& name, int64_t cut, int64_t first,
             int64_t last) {
    live_.set_cut(cut);
    // The head's own stage may have gone past its best epoch.
    live_.recall();
    groups_ = live_.groups(plan_, options_);
    optimizer_ = make_optimizer(groups_, options_);
    step_ = 0;
    steps_ = (last - first + 1) * steps_in_epoch();
    for (int64_t epoch = first; epoch <= last && going_on(); ++epoch)
      run_epoch(name, epoch);
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
    if (validate(now)) finish_epoch(now, start, waited);
  }

  double seconds_waited() const {
    return train_->seconds_waited() + val_->seconds_waited();
  }

  void finish_epoch(EpochResult& now, Clock::time_point start, double waited) {
    now.seconds = seconds_since(start);
    now.seconds_waiting = seconds_waited() - waited;
    keep_if_best(now);
    epoch_seconds_ = now.seconds;
    result_.epochs.push_back(now);
    if (callbacks_.epoch) callbacks_.epoch(now);
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
      if (in_step + 1 == of_step) end_step();
      ++batches;
      report("train", now.epoch, tally, train_->num_samples(), start);
    }
    now.train_loss = tally.mean_loss();
    now.train_accuracy = tally.accuracy();
    return true;
  }

  void begin_step(EpochResult& now) {
    const double factor =
        schedule_factor(options_.schedule, options_.warmup, step_++, steps_);
    scale_rates(*optimizer_, groups_, factor);
    now.head_lr = plan_.head_lr * factor;
    now.backbone_lr =
        live_.cut() < chain_.num_blocks() ? plan_.backbone_lr * factor : 0;
    optimizer_->zero_grad();
  }

  bool add_gradient(const Batches::Batch& batch, int64_t of_step, Tally& tally,
                    const EpochResult& now) {
    const auto labels = batch.labels.to(chain_.device());
    const auto logits =
        live_.forward(batch.x.to(chain_.device()), plan_.freeze_until);
    const auto loss = torch::nn::functional::cross_entropy(
        logits, labels,
        torch::nn::functional::CrossEntropyFuncOptions()
            .weight(weights_)
            .label_smoothing(options_.label_smoothing.value_or(0.1)));
    const double value = loss.item<double>();
    tally.add(value, count_right(logits, labels), labels.size(0));
    if (!std::isfinite(value) || is_lost(tally.mean_loss(), num_classes())) {
      diverge("the training loss became " + std::to_string(value), now.epoch);
      return false;
    }
    backward(of_step == 1 ? loss : loss / static_cast<double>(of_step));
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

  void end_step() {
    if (options_.clip_norm > 0)
      torch::nn::utils::clip_grad_norm_(live_.live_parameters(),
                                        options_.clip_norm);
    optimizer_->step();
  }

  int64_t num_classes() const { return settings_.folder.num_classes(); }

  bool validate(EpochResult& now) {
    if (val_->num_samples() == 0) return true;
    torch::NoGradGuard no_grad;
    Tally tally;
    std::vector<torch::Tensor> logits, labels;
    const auto start = Clock::now();
    val_->start_epoch(1);
    while (auto batch = val_->next()) {
      if (stopped()) return false;
      const auto out =
          chain_
              .run_frozen(batch->x.to(chain_.device()), plan_.freeze_until,
                          chain_.num_blocks() + 1)
              .cpu()
              .to(torch::kFloat);
      tally.add(torch::nn::functional::cross_entropy(out, batch->labels)
                    .item<double>(),
                count_right(out, batch->labels), out.size(0));
      logits.push_back(out);
      labels.push_back(batch->labels);
      report("val", now.epoch, tally, val_->num_samples(), start);
    }
    now.val_loss = tally.mean_loss();
    now.val_accuracy = tally.accuracy();
    epoch_logits_ = torch::cat(logits);
    epoch_labels_ = torch::cat(labels);
    epoch_val_seconds_ = seconds_since(start);
    if (!std::isfinite(now.val_loss)) {
      diverge("the validation loss became " + std::to_string(now.val_loss),
              now.epoch);
      return false;
    }
    return true;
  }

  void keep_if_best(EpochResult& now) {
    const bool first = result_.best_epoch == 0;
    const bool better =
        now.val_accuracy > best_accuracy_ ||
        (now.val_accuracy == best_accuracy_ && now.val_loss < best_loss_);
    now.best = first || better || val_->num_samples() == 0;
    if (now.best) {
      best_accuracy_ = now.val_accuracy;
      best_loss_ = now.val_loss;
      result_.best_epoch = now.epoch;
      result_.val_logits = epoch_logits_;
      result_.val_labels = epoch_labels_;
      result_.val_seconds = val_fill_seconds_ + epoch_val_seconds_;
      live_.remember();
    } else if (options_.patience > 0 &&
               now.epoch - result_.best_epoch >= options_.patience) {
      result_.early_stopped = true;
    }
  }

  void diverge(const std::string& what, int64_t epoch) {
    result_.diverged = what + " in epoch " + std::to_string(epoch) +
                       "; a lower --lr or --backbone-lr keeps it stable";
  }

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
  bool ignore_stop_ = false;
  std::vector<ParameterGroup> groups_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  int64_t step_ = 0, steps_ = 1;
  double epoch_seconds_ = 0, val_fill_seconds_ = 0, epoch_val_seconds_ = 0;
  double best_accuracy_ = -1, best_loss_ = 0;
  torch::Tensor epoch_logits_, epoch_labels_;
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

double fit_temperature(const torch::Tensor& logits,
                       const torch::Tensor& labels) {
  if (!logits.defined() || logits.size(0) == 0) return 1;
  const auto scores = logits.to(torch::kDouble);
  const auto loss = [&](double log_t) {
    return torch::nn::functional::cross_entropy(scores / std::exp(log_t),
                                                labels)
        .item<double>();
  };
  // The loss is convex in 1/T, so unimodal in log T: golden-section search.
  constexpr double kGolden = 0.6180339887498949;
  double low = std::log(0.05), high = std::log(20.0);
  for (int i = 0; i < 60; ++i) {
    const double a = high - kGolden * (high - low);
    const double b = low + kGolden * (high - low);
    (loss(a) < loss(b) ? high : low) = loss(a) < loss(b) ? b : a;
  }
  return std::exp(0.5 * (low + high));
}

}  // namespace engraft
