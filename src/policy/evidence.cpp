#include "engraft/policy/evidence.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "engraft/data/loader.h"
#include "engraft/eval/separation.h"
#include "engraft/features/cross_validation.h"
#include "engraft/model/prefix.h"
#include "engraft/policy/cost.h"
#include "engraft/policy/transfer_scores.h"
#include "model/taps.h"
#include "policy/near_duplicates.h"
#include "policy/sample_evenly.h"
#include "policy/stored_evidence.h"
#include "statistics.h"

namespace engraft {
namespace {

constexpr int64_t kMostPictures = 1000, kFewestPictures = 256;
// Of so many classes that these are few.
constexpr int64_t kOfAClass = 5, kFewestOfAClass = 2;
// Multiplications that looking at the pictures may take, 6 to 8 s on two cores.
constexpr double kMostWork = 3e11;
// Pictures of which views are looked at, beside the pictures themselves.
constexpr int64_t kViewed = 128, kMirrored = 256;
// Shares of the depth that probes look at, besides all of it; mirror images at
// kMiddle and at the end.
constexpr double kMiddle = 2.0 / 3;
constexpr double kDepths[] = {0.25, 0.5, kMiddle, 5.0 / 6};
constexpr AugmentStrength kViews = AugmentStrength::standard;
constexpr double kShares[] = {0.25, 0.5};

std::vector<int64_t> tapped_cuts(int64_t blocks) {
  std::vector<int64_t> cuts{0};  // thumbnails
  for (const double depth : kDepths) {
    const int64_t cut = std::llround(depth * static_cast<double>(blocks));
    if (cut > cuts.back() && cut < blocks) cuts.push_back(cut);
  }
  cuts.push_back(blocks);
  return cuts;
}

torch::Tensor labels_of(const std::vector<Sample>& samples) {
  std::vector<int64_t> labels;
  labels.reserve(samples.size());
  for (const Sample& s : samples) labels.push_back(s.label);
  return torch::tensor(labels, torch::kLong);
}

FeatureRows rows_of(const torch::Tensor& matrix) {
  return {matrix.size(0), matrix.size(1), [matrix](int64_t begin, int64_t end) {
            return matrix.slice(0, begin, end);
          }};
}

/// Training pictures of each class: all of them, and copies counted once.
struct Population {
  std::vector<int64_t> all, contents;
};

/// groups  int64 [N], of pictures that are held out together
HeadProblem problem_of(const torch::Tensor& features,
                       const torch::Tensor& labels, const torch::Tensor& groups,
                       int64_t classes) {
  HeadProblem out;
  out.features = rows_of(features);
  out.labels = labels;
  out.pictures = groups;
  out.classes = classes;
  return out;
}

/// The measurement, in steps that share its pictures.
class Measurement {
 public:
  Measurement(const BlockChain& chain, std::vector<Sample> samples,
              const Population& population, const EvidenceOptions& options,
              const Activations::Progress& progress,
              const std::function<bool()>& stop)
      : chain_(chain),
        options_(options),
        progress_(progress),
        stop_(stop),
        samples_(std::move(samples)),
        labels_(labels_of(samples_)),
        population_(population),
        classes_(std::ssize(population.all)),
        cuts_(tapped_cuts(chain.num_blocks())) {}

  EvidenceResult run() {
    EvidenceResult out;
    if (!look()) return out;
    Evidence& e = out.evidence;
    e.pictures = std::ssize(samples_);
    e.drawn_from = sum(population_.contents);
    e.classes = classes_;
    groups_ = group_near_duplicates(part(0), last());
    e.distinct = share_distinct();
    split_large_groups();
    probe_depths(e);
    if (stop_ && stop_()) return {};
    const OtherViews views = look_at_views();
    if (stop_ && stop_()) return {};
    const HeadProblem problem = problem_of(last(), labels_, groups_, classes_);
    const HeldOut whole = predict_held_out(
        problem, penalties_.back(), 1,
        {other_rows(views.mirrored.back()), other_rows(views.drawn)}, stop_);
    const int64_t blocks = cuts_.back();
    for (size_t i = 0; i + 1 < views.taps.size(); ++i)
      e.flips.push_back(mirror_at(views.taps[i], views.mirrored[i]));
    e.flips.push_back(compare({"horizontal", blocks}, whole.log_probabilities,
                              whole.others.at(0)));
    e.views = {compare({std::string(name_of(kViews)), blocks},
                       whole.log_probabilities, whole.others.at(1))};
    e.depths.back().accuracy = whole.accuracy;
    e.depths.back().loss = whole.loss;
    draw_curve(problem, whole, e);
    // What is held out together is one picture, as chance goes.
    e.accuracy_error = std::sqrt(
        whole.accuracy * (1 - whole.accuracy) /
        static_cast<double>(std::get<0>(at::_unique(groups_)).numel()));
    e.weighted_error = weighted_error(whole.log_probabilities);
    e.probe_auroc = auroc(whole.log_probabilities);
    score(e);
    out.features = {samples_, last()};
    out.inference = inference_;
    return out;
  }

 private:
  static int64_t sum(const std::vector<int64_t>& counts) {
    return std::accumulate(counts.begin(), counts.end(), int64_t{0});
  }
  torch::Tensor part(size_t tap) const { return parts_[tap]; }
  torch::Tensor last() const { return parts_.back(); }

  /// One pass over the pictures, all taps.
  bool look() {
    ActivationOptions wanted;
    wanted.input = options_.input;
    wanted.threads = options_.threads;
    wanted.inference = options_.inference;
    wanted.pictures = std::ssize(samples_);
    wanted.cache = options_.cache;
    wanted.taps = cuts_;
    wanted.model = options_.model;
    wanted.data = options_.data;
    Activations seen(chain_, chain_.num_blocks(), wanted);
    if (!seen.prepare(samples_, 0, progress_, stop_)) return false;
    inference_ = seen.stats().prefix;
    std::vector<int64_t> all(samples_.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    const auto rows = seen.read(samples_, all, -1);
    std::vector<int64_t> widths;
    for (const int64_t cut : cuts_) widths.push_back(tap_width(chain_, cut));
    for (const auto& columns : rows.split_with_sizes(widths, 1))
      parts_.push_back(columns.contiguous());
    return true;
  }

  double share_distinct() const {
    double distinct = 0;
    for (int64_t c = 0; c < classes_; ++c)
      distinct += estimate_groups(groups_.masked_select(labels_.eq(c)),
                                  population_.contents[c]);
    return distinct / static_cast<double>(sum(population_.all));
  }

  /// Without a group that is most of its class a head would not know the
  /// class: its pictures are held out one by one.
  void split_large_groups() {
    int64_t next = groups_.max().item<int64_t>() + 1;
    for (int64_t c = 0; c < classes_; ++c) {
      const auto pictures = labels_.eq(c).nonzero().flatten();
      if (pictures.numel() == 0) continue;
      const auto of_class = groups_.index_select(0, pictures);
      const int64_t largest = std::get<0>(of_class.mode()).item<int64_t>();
      const auto alike = pictures.masked_select(of_class.eq(largest));
      if (2 * alike.numel() <= pictures.numel()) continue;
      groups_.index_copy_(0, alike, torch::arange(next, next + alike.numel()));
      next += alike.numel();
    }
  }

  /// log_probabilities  [N, classes], held out
  double weighted_error(const torch::Tensor& log_probabilities) const {
    const auto wrong =
        log_probabilities.argmax(1).ne(labels_).to(torch::kDouble);
    double error = 0, pictures = 0;
    for (int64_t c = 0; c < classes_; ++c) {
      const auto of_class = wrong.masked_select(labels_.eq(c));
      if (of_class.numel() == 0) continue;
      const auto count = static_cast<double>(population_.all[c]);
      error += count * of_class.mean().item<double>();
      pictures += count;
    }
    return error / pictures;
  }

  /// log_probabilities  [N, classes], held out
  std::optional<double> auroc(const torch::Tensor& log_probabilities) const {
    const auto [largest, predicted] =
        log_probabilities.to(torch::kDouble).max(1);
    return separation("doubt", -largest, predicted.eq(labels_)).auroc;
  }

  void probe_depths(Evidence& e) {
    for (size_t i = 1; i < cuts_.size() && !(stop_ && stop_()); ++i) {
      const auto trials =
          try_penalties(problem_of(part(i), labels_, groups_, classes_), stop_);
      DepthProbe probe;
      probe.cut = cuts_[i];
      probe.features = part(i).size(1);
      penalties_.push_back(best_penalty(trials));
      for (const PenaltyTrial& trial : trials)
        if (trial.l2 == penalties_.back()) {
          probe.accuracy = trial.accuracy;
          probe.loss = trial.loss;
        }
      e.depths.push_back(probe);
    }
  }

  /// Features of other views of the first pictures, float32 [n, width].
  struct OtherViews {
    std::vector<size_t> taps;             ///< the middle one, and the last
    std::vector<torch::Tensor> mirrored;  ///< at each of them
    torch::Tensor drawn;                  ///< the last, as kViews draws them
  };

  /// The tap at kMiddle, which every model of two blocks or more has, and the
  /// last one.
  std::vector<size_t> mirror_taps() const {
    const auto middle =
        std::llround(kMiddle * static_cast<double>(cuts_.back()));
    std::vector<size_t> out;
    for (size_t i = 1; i < cuts_.size(); ++i)
      if (cuts_[i] == middle || i + 1 == cuts_.size()) out.push_back(i);
    return out;
  }

  OtherViews look_at_views() const {
    OtherViews out;
    out.taps = mirror_taps();
    std::vector<int64_t> cuts, widths;
    for (const size_t tap : out.taps) {
      cuts.push_back(cuts_[tap]);
      widths.push_back(part(tap).size(1));
    }
    FrozenPrefix prefix(chain_, chain_.num_blocks(), options_.inference,
                        std::min(kMirrored + kViewed, 2 * std::ssize(samples_)),
                        cuts);
    if (inference_.trials.size() > 1) prefix.prefer(inference_.kind);
    LoaderOptions loading;
    loading.input = options_.input;
    loading.threads = options_.threads;
    loading.batch_size = prefix.pictures_at_once(1);
    loading.shuffle = false;
    out.mirrored = pass(prefix, kMirrored, loading, true, widths);
    AugmentOptions unmirrored;
    unmirrored.flip = false;
    loading.augment = augment_settings(kViews, unmirrored);
    out.drawn = pass(prefix, kViewed, loading, false, widths).back();
    return out;
  }

  /// What the blocks give for what a loader draws of the first `most` pictures,
  /// mirrored or not, at each tap; of fewer when stopped.
  std::vector<torch::Tensor> pass(FrozenPrefix& prefix, int64_t most,
                                  const LoaderOptions& loading, bool mirrored,
                                  const std::vector<int64_t>& widths) const {
    const int64_t count = std::min(most, std::ssize(samples_));
    const std::vector<Sample> some(samples_.begin(), samples_.begin() + count);
    Loader loader(some, loading);
    loader.start_epoch(1);
    std::vector<torch::Tensor> seen{torch::empty(
        {0, std::accumulate(widths.begin(), widths.end(), int64_t{0})})};
    while (const auto batch = loader.next()) {
      if (stop_ && stop_()) break;
      seen.push_back(
          prefix.run(mirrored ? batch->images.flip(3) : batch->images).cpu());
    }
    return torch::cat(seen).split_with_sizes(widths, 1);
  }

  OtherRows other_rows(const torch::Tensor& features) const {
    return {rows_of(features.contiguous()),
            groups_.narrow(0, 0, features.size(0))};
  }

  /// What the probe at a tap makes of mirror images.
  ViewProbe mirror_at(size_t tap, const torch::Tensor& mirrored) const {
    const HeldOut seen =
        predict_held_out(problem_of(part(tap), labels_, groups_, classes_),
                         penalties_[tap - 1], 1, {other_rows(mirrored)}, stop_);
    return compare({"horizontal", cuts_[tap]}, seen.log_probabilities,
                   seen.others.at(0));
  }

  /// Completes `out` by what a probe makes of pictures and of their views.
  ViewProbe compare(ViewProbe out, const torch::Tensor& plain,
                    const torch::Tensor& views) const {
    out.pictures = views.size(0);
    if (out.pictures == 0) return out;
    const auto labels = labels_.narrow(0, 0, out.pictures);
    const auto before = plain.narrow(0, 0, out.pictures).argmax(1).eq(labels);
    const auto after = views.argmax(1).eq(labels);
    out.accuracy = before.to(torch::kDouble).mean().item<double>();
    out.view_accuracy = after.to(torch::kDouble).mean().item<double>();
    out.z = mcnemar_z(after, before);
    const auto rows = labels.unsqueeze(1);
    const auto more = (plain.narrow(0, 0, out.pictures).gather(1, rows) -
                       views.gather(1, rows))
                          .to(torch::kDouble);
    out.loss_gain = more.mean().item<double>();
    out.loss_z = mean_over_error(more);
    return out;
  }

  void draw_curve(const HeadProblem& problem, const HeldOut& whole,
                  Evidence& e) {
    for (const double share : kShares) {
      const HeldOut seen =
          predict_held_out(problem, penalties_.back(), share, {}, stop_);
      if (seen.learned >= classes_)
        e.curve.push_back({seen.learned, seen.accuracy, seen.loss});
    }
    e.curve.push_back({whole.learned, whole.accuracy, whole.loss});
  }

  /// What takes no probe.
  void score(Evidence& e) const {
    e.log_me = log_me(last(), labels_, classes_);
    const int64_t blocks = chain_.num_blocks();
    const auto size = chain_.block(blocks - 1).output_size;
    if (chain_.fused_head() || size.size() != 1) return;
    constexpr int64_t kAtOnce = 64;
    torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> parts;
    for (const auto& rows : last().split(kAtOnce))
      parts.push_back(
          chain_.run(rows.to(chain_.device()).clone(), blocks, blocks + 1)
              .cpu()
              .to(torch::kDouble)
              .softmax(1));
    const auto p = torch::cat(parts);
    e.confidence = std::get<0>(p.max(1)).mean().item<double>();
    e.entropy = -(p * p.clamp_min(1e-300).log()).sum(1).mean().item<double>();
    e.leep = leep(p, labels_, classes_);
  }

  const BlockChain& chain_;
  const EvidenceOptions& options_;
  const Activations::Progress& progress_;
  const std::function<bool()>& stop_;
  const std::vector<Sample> samples_;
  const torch::Tensor labels_;
  const Population population_;
  const int64_t classes_;
  const std::vector<int64_t> cuts_;
  PrefixChoice inference_;            ///< of the pass
  std::vector<torch::Tensor> parts_;  ///< float32 [N, width] for each cut
  torch::Tensor groups_;              ///< int64 [N], held out together
  std::vector<double> penalties_;     ///< of the probes, tap 1 first
};

/// What train's first stage looks for: the evaluation view before the head.
void keep_for_training(const BlockChain& chain, const EvidenceOptions& options,
                       const KnownFeatures& features) {
  if (cache_folder(options.cache).empty()) return;  // nobody would find it
  const int64_t blocks = chain.num_blocks();
  const std::vector<int64_t> pooled{features.rows.size(1)};
  if (chain.block(blocks - 1).output_size != pooled) return;
  ActivationOptions kept;
  kept.input = options.input;
  kept.inference = options.inference;
  kept.cache = options.cache;
  kept.model = options.model;
  kept.data = options.data;
  Activations(chain, blocks, kept).add(features.samples, features.rows, -1);
}

/// Whether heads can learn from some of them and be tested on others.
bool can_be_held_out(const std::vector<Sample>& samples, int64_t classes) {
  std::vector<int64_t> counts(static_cast<size_t>(classes));
  for (const Sample& s : samples) ++counts.at(s.label);
  return std::ranges::count_if(counts, [](int64_t n) { return n >= 2; }) >= 2 &&
         std::ssize(samples) >= kFewestOfAClass * classes;
}

}  // namespace

int64_t evidence_pictures(const BlockChain& chain, int64_t classes) {
  const double work = multiplications(chain, 0, chain.num_blocks());
  const int64_t fewest =
      std::clamp(kOfAClass * classes, kFewestPictures, kMostPictures);
  const int64_t some = std::clamp<int64_t>(
      std::llround(kMostWork / std::max(work, 1.0)), fewest, kMostPictures);
  return std::max(some,
                  kFewestOfAClass * std::min(classes, kMostProbedClasses));
}

EvidenceResult measure_evidence(const BlockChain& chain,
                                const ImageFolder& folder,
                                const EvidenceOptions& options,
                                const Activations::Progress& progress,
                                const std::function<bool()>& stop) {
  const int64_t classes = folder.num_classes();
  const int64_t most = options.most_pictures > 0
                           ? options.most_pictures
                           : evidence_pictures(chain, classes);
  auto samples = sample_evenly(folder.train, classes, most);
  if (chain.num_blocks() == 0 || !can_be_held_out(samples, classes)) return {};
  const Population population{folder.counts(folder.train),
                              count_contents(folder.train, classes)};
  std::vector<int64_t> counts = population.all;
  counts.insert(counts.end(), population.contents.begin(),
                population.contents.end());
  StoredEvidence stored(chain, options, samples, counts);
  if (const auto known = stored.read()) return {*known, {}, {}};
  EvidenceResult out = Measurement(chain, std::move(samples), population,
                                   options, progress, stop)
                           .run();
  if (out.evidence.measured() && !(stop && stop())) {
    stored.write(out.evidence);
    keep_for_training(chain, options, out.features);
  }
  return out;
}

}  // namespace engraft
