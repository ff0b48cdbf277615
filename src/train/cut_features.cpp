#include "train/cut_features.h"

#include <algorithm>

#include "stopwatch.h"
#include "train/phase_progress.h"

namespace engraft {

LoaderOptions CutFeatures::loader_options(bool train) const {
  LoaderOptions out;
  out.input = settings_.input;
  if (train) out.augment = settings_.plan.augment;
  out.batch_size = settings_.plan.batch_size;
  out.threads = settings_.run.threads;
  out.seed = static_cast<uint64_t>(settings_.run.seed);
  return out;
}

ActivationOptions CutFeatures::activation_options() const {
  const int64_t epochs = settings_.plan.epochs;
  ActivationOptions out;
  out.input = settings_.input;
  out.augment = settings_.plan.augment;
  out.seed = static_cast<uint64_t>(settings_.run.seed);
  out.threads = settings_.run.threads;
  out.inference = settings_.run.inference;
  out.pictures = pictures();
  out.cache = settings_.cache;
  // Without views that are used again, or with as many as epochs, the run is
  // to be what it would be without a store.
  out.exact = epochs > 1 && (views_ == 0 || views_ >= epochs);
  out.model = settings_.model;
  out.data = settings_.folder.root;
  return out;
}

/// That pass the frozen blocks in all.
int64_t CutFeatures::pictures() const {
  return std::ssize(settings_.folder.train) *
         (views_ > 0 ? views_ : settings_.plan.epochs);
}

/// A solved head looks at the evaluation view too, where the plan came by what
/// it gives.
bool CutFeatures::evaluation_view() const {
  return settings_.plan.evaluation_view && cut_ == chain_.num_blocks();
}

bool CutFeatures::prepare(int64_t cut, int64_t views) {
  const ImageFolder& folder = settings_.folder;
  cut_ = cut;
  views_ = views;
  // Before there is more, so that the two are not held together.
  train_.reset();
  val_.reset();
  prefix_.reset();
  earlier_ = stats();
  kept_.reset();
  val_fill_seconds_ = 0;
  if (views > 0) {
    kept_ = std::make_unique<Activations>(chain_, cut, activation_options());
    take_known();
    if (evaluation_view() && !fill(*kept_, folder.train, 0)) return false;
    if (random_views() > 0 && !fill(*kept_, folder.train, random_views()))
      return false;
    const Stopwatch watch;
    if (!fill(*kept_, folder.val, 0)) return false;
    val_fill_seconds_ = watch.seconds();
    train_ = std::make_unique<Batches>(folder.train, loader_options(true),
                                       *kept_, random_views());
    val_ =
        std::make_unique<Batches>(folder.val, loader_options(false), *kept_, 0);
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

ActivationStats CutFeatures::stats() const {
  if (!kept_) return earlier_;
  ActivationStats out = kept_->stats();
  out.found += earlier_.found;
  out.computed += earlier_.computed;
  out.damaged += earlier_.damaged;
  if (out.trouble.empty()) out.trouble = earlier_.trouble;
  out.seconds += earlier_.seconds;
  out.seconds_waiting += earlier_.seconds_waiting;
  return out;
}

/// What the plan's own look at the pictures left behind is not computed again.
void CutFeatures::take_known() {
  const KnownFeatures* known = settings_.known;
  if (!evaluation_view() || !known || !known->rows.defined()) return;
  if (known->rows.size(1) == chain_.head().features)
    kept_->add(known->samples, known->rows, -1);
}

bool CutFeatures::fill(Activations& activations,
                       const std::vector<Sample>& samples,
                       int64_t views) const {
  return activations.prepare(samples, views,
                             PhaseProgress(callbacks_, "features"), stop_);
}

std::optional<CutFeatures::BeforeHead> CutFeatures::before_head() {
  const int64_t blocks = chain_.num_blocks();
  const bool whole = cut_ == blocks;
  BeforeHead out;
  out.views.count = whole ? std::max<int64_t>(views_, 1) : 1;
  if (kept_ && whole) {
    out.activations = kept_.get();
    if (evaluation_view()) out.views.first = -1;
    return out;
  }
  const std::vector<Sample>& samples = settings_.folder.train;
  out.own = std::make_unique<Activations>(chain_, blocks, activation_options());
  if (!kept_ && !whole && cut_ > 0) {
    // By the same two steps as with a cache, for the same bits.
    ActivationOptions options = activation_options();
    options.cache.cache = "none";
    options.exact = true;
    out.lower = std::make_unique<Activations>(chain_, cut_, options);
    if (!fill(*out.lower, samples, out.views.count)) return std::nullopt;
  }
  if (Activations* lower = kept_ ? kept_.get() : out.lower.get())
    out.own->start_from(*lower);
  if (!fill(*out.own, samples, out.views.count)) return std::nullopt;
  out.activations = out.own.get();
  return out;
}

}  // namespace engraft
