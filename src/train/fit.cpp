#include "engraft/train/fit.h"

#include <torch/nn/functional/loss.h>
#include <torch/nn/utils/clip_grad.h>

#include <chrono>
#include <cmath>

#include "engraft/train/schedule.h"

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
  Fit(LiveChain& live, const BlockChain& chain, const ImageFolder& folder,
      const InputSpec& input, const TransferPlan& plan,
      const OptimOptions& options, const RunOptions& run,
      const TrainCallbacks& callbacks)
      : live_(live),
        chain_(chain),
        plan_(plan),
        options_(options),
        callbacks_(callbacks),
        classes_(folder.num_classes()),
        train_(folder.train, loader_options(input, run, true)),
        val_(folder.val, loader_options(input, run, false)),
        weights_(
            class_weights(options.class_weights, folder.counts(folder.train))) {
    if (weights_.defined()) weights_ = weights_.to(chain.device());
  }

  FitResult run() {
    const int64_t blocks = chain_.num_blocks();
    if (plan_.head_epochs > 0) stage("head", blocks, 1, plan_.head_epochs);
    if (going_on() && plan_.epochs > plan_.head_epochs)
      stage(plan_.freeze_until < blocks ? "blocks" : "head", plan_.freeze_until,
            plan_.head_epochs + 1, plan_.epochs);
    live_.recall();
    return std::move(result_);
  }

 private:
  LoaderOptions loader_options(const InputSpec& input, const RunOptions& run,
                               bool train) const {
    LoaderOptions out;
    out.input = input;
    if (train) out.augment = plan_.augment;
    out.batch_size = plan_.batch_size;
    out.threads = run.threads;
    out.seed = static_cast<uint64_t>(run.seed);
    return out;
  }

  bool going_on() const {
    return !result_.interrupted && !result_.early_stopped &&
           result_.diverged.empty();
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
    steps_ = (last - first + 1) * train_.num_batches();
    for (int64_t epoch = first; epoch <= last && going_on(); ++epoch)
      run_epoch(name, epoch);
  }

  void run_epoch(const std::string& stage, int64_t epoch) {
    EpochResult now;
    now.epoch = epoch;
    now.epochs = plan_.epochs;
    now.stage = stage;
    const auto start = Clock::now();
    const double waited = train_.seconds_waited() + val_.seconds_waited();
    if (!train_epoch(now)) return;
    now.images_per_second =
        static_cast<double>(train_.num_samples()) / seconds_since(start);
    if (!validate(now)) return;
    now.seconds = seconds_since(start);
    now.seconds_waiting =
        train_.seconds_waited() + val_.seconds_waited() - waited;
    keep_if_best(now);
    epoch_seconds_ = now.seconds;
    result_.epochs.push_back(now);
    if (callbacks_.epoch) callbacks_.epoch(now);
  }

  bool train_epoch(EpochResult& now) {
    Tally tally;
    const auto start = Clock::now();
    train_.start_epoch(now.epoch);
    while (auto batch = train_.next()) {
      if (stopped()) return false;
      if (!step(*batch, tally, now)) return false;
      report("train", now.epoch, tally, train_.num_samples(), start);
    }
    now.train_loss = tally.mean_loss();
    now.train_accuracy = tally.accuracy();
    return true;
  }

  bool step(const Batch& batch, Tally& tally, EpochResult& now) {
    const double factor =
        schedule_factor(options_.schedule, options_.warmup, step_++, steps_);
    scale_rates(*optimizer_, groups_, factor);
    now.head_lr = plan_.head_lr * factor;
    now.backbone_lr =
        live_.cut() < chain_.num_blocks() ? plan_.backbone_lr * factor : 0;
    const auto labels = batch.labels.to(chain_.device());
    const auto logits = live_.forward(batch.images);
    const auto loss = torch::nn::functional::cross_entropy(
        logits, labels,
        torch::nn::functional::CrossEntropyFuncOptions()
            .weight(weights_)
            .label_smoothing(options_.label_smoothing));
    const double value = loss.item<double>();
    tally.add(value, count_right(logits, labels), labels.size(0));
    if (!std::isfinite(value) || is_lost(tally.mean_loss(), classes_)) {
      diverge("the training loss became " + std::to_string(value), now.epoch);
      return false;
    }
    optimizer_->zero_grad();
    loss.backward();
    if (options_.clip_norm > 0)
      torch::nn::utils::clip_grad_norm_(live_.live_parameters(),
                                        options_.clip_norm);
    optimizer_->step();
    return true;
  }

  bool validate(EpochResult& now) {
    if (val_.num_samples() == 0) return true;
    torch::NoGradGuard no_grad;
    Tally tally;
    std::vector<torch::Tensor> logits, labels;
    const auto start = Clock::now();
    val_.start_epoch(0);
    while (auto batch = val_.next()) {
      if (stopped()) return false;
      const auto out = chain_.logits(batch->images).cpu().to(torch::kFloat);
      tally.add(torch::nn::functional::cross_entropy(out, batch->labels)
                    .item<double>(),
                count_right(out, batch->labels), out.size(0));
      logits.push_back(out);
      labels.push_back(batch->labels);
      report("val", now.epoch, tally, val_.num_samples(), start);
    }
    now.val_loss = tally.mean_loss();
    now.val_accuracy = tally.accuracy();
    epoch_logits_ = torch::cat(logits);
    epoch_labels_ = torch::cat(labels);
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
    now.best = first || better || val_.num_samples() == 0;
    if (now.best) {
      best_accuracy_ = now.val_accuracy;
      best_loss_ = now.val_loss;
      result_.best_epoch = now.epoch;
      result_.val_logits = epoch_logits_;
      result_.val_labels = epoch_labels_;
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
            : static_cast<double>(train_.num_samples() + val_.num_samples()) /
                  p.images_per_second;
    p.eta_seconds =
        static_cast<double>(plan_.epochs - epoch) * epoch_seconds +
        static_cast<double>(images - tally.images) / p.images_per_second;
    callbacks_.progress(p);
  }

  LiveChain& live_;
  const BlockChain& chain_;
  const TransferPlan& plan_;
  const OptimOptions& options_;
  const TrainCallbacks& callbacks_;
  const int64_t classes_;
  Loader train_, val_;
  torch::Tensor weights_;
  std::vector<ParameterGroup> groups_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  int64_t step_ = 0, steps_ = 1;
  double epoch_seconds_ = 0;
  double best_accuracy_ = -1, best_loss_ = 0;
  torch::Tensor epoch_logits_, epoch_labels_;
  FitResult result_;
};

}  // namespace

FitResult fit(LiveChain& live, const BlockChain& chain,
              const ImageFolder& folder, const InputSpec& input,
              const TransferPlan& plan, const OptimOptions& options,
              const RunOptions& run, const TrainCallbacks& callbacks) {
  return Fit(live, chain, folder, input, plan, options, run, callbacks).run();
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
