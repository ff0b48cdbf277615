#include <algorithm>
#include <cmath>
#include <limits>
#include <ranges>
#include <string>

#include "engraft/error.h"
#include "policy/head_room.h"
#include "policy/planning.h"

namespace engraft {
namespace {

// What trained blocks must show. From an expected gain on, by which the head's
// errors and the similarity say that they usually win, a validation part of 40
// to 200 pictures must not cost that by chance: they stay unless they are less
// accurate than the head alone by a standard error. Stamps, brain scans, clip
// art, emoji, digits and clothes gained 0.5 to 9 points by it (14 runs), though
// on validation pictures some seemed worse by 0.9 errors. Below, they often
// lose, and must be better by two: of twelve epochs one seems so by one error
// by chance (ants and bees: it cost 0.6, 1.3 and 3.3 points).
constexpr double kLikelyGain = 0.01, kProofUnlikely = 2, kProofLikely = -1;
// A fifth of the rates each (TransferPlan): 1/25 of 5e-4 is what recipes take
// for the most sensitive models.
constexpr int64_t kRetries = 2;
// Views that the run sees, and its passes, where there are many.
constexpr int64_t kOpenPictures = 24000, kOpenMinEpochs = 8,
                  kOpenMaxEpochs = 20;
// Steps, times what each moves the running statistics, from which on these have
// followed the weights. EfficientNet-Lite0 moves by 0.01: with the statistics
// of pretraining seven sets of 0.9 to 2.6 gained 0.4 to 7.9 points (3.8 on
// average; with 0.1 for 0.01 only 1.0). From 5 on similar pictures lost by
// them: cut-outs (MobileNetV2, 10) 0.5 points by small steps and 6.0 by large
// ones. Pictures that are far on the other side gained by them however many the
// steps: of 15 sets by MobileNetV2 (8 to 80) 13 gained 0.4 to 12.7 points,
// those most in which something is the same all over a picture (dots, sizes,
// exposures), one nothing, and one lost 0.3. Between them it went either way
// (stripes gained 5.0 points, rubbish lost 2.0 to 3.3 where it is few, uneven
// or wrongly labelled), and validation tells: of 18 runs of six sets it chose
// the better ones but twice. Large sets were not measured.
constexpr double kSettled = 5;
// The most views of a picture that live blocks get by themselves.
constexpr int64_t kMostViews = 8;

/// How far pictures are from the model's own: 0 from half the way to the border
/// of similarity on, 1 at the border.
double distance(const Similarity& s) {
  if (s.method == "given" || s.border <= 0)
    return s.verdict == SimilarityClass::similar ? 0 : 1;
  const double way =
      s.method == "batch_norm" ? s.value / s.border : 2 - s.value / s.border;
  return std::clamp(2 * way - 1, 0.0, 1.0);
}

bool trains_layer_norms(const Planning& p) {
  return std::ranges::any_of(
      p.inputs.layer_norms | std::views::drop(p.plan.freeze_until),
      [](int64_t count) { return count > 0; });
}

/// Of the epochs: with a proof the first is the solved head's, which is put
/// aside.
int64_t epochs_aside(const Planning& p) { return p.plan.proof ? 1 : 0; }

/// The first passes, before blocks are trained: they learn the head alone.
void decide_head_epochs(const Planning& p) {
  const int64_t aside = epochs_aside(p);
  const int64_t rest = p.plan.epochs - aside;
  p.plan.head_epochs = p.decisions.decide<int64_t>(
      "head-epochs", p.options.head_epochs,
      aside + std::min<int64_t>(rest - 1, std::max<int64_t>(1, rest / 5)),
      p.plan.proof
          ? "the first solves for the head alone, to compare with; what "
            "follows warms up a fresh one, which would send noise into the "
            "pretrained blocks"
      : rest < 2
          ? "the only epoch trains the blocks, with a head that begins at "
            "random and sends noise into them: --epochs 2 or more is better"
          : "a random head would send noise into the pretrained blocks");
  if (p.plan.head_epochs < aside) {
    p.plan.head_epochs = aside;
    p.decisions.correct(
        text(aside),
        text("given: --head-epochs ", *p.options.head_epochs,
             ", but the head alone is solved for, to compare with"));
  }
  if (p.plan.head_epochs > p.plan.epochs)
    fail(Fault::usage, "--head-epochs ", p.plan.head_epochs,
         " is above --epochs ", p.plan.epochs);
}

/// How much training a plan gets.
struct Passes {
  int64_t pictures, min_epochs, max_epochs;
};

/// From the quadrant's (open = 0) to what many errors of the head ask for (1).
Passes passes(const Quadrant& quadrant, double open) {
  const auto between = [&](int64_t least, int64_t most) {
    const auto from = static_cast<double>(least);
    return std::llround(
        rounded(from * std::pow(static_cast<double>(most) / from, open)));
  };
  return {between(quadrant.pictures, kOpenPictures),
          between(quadrant.min_epochs, kOpenMinEpochs),
          between(quadrant.max_epochs, kOpenMaxEpochs)};
}

/// Why trained blocks are not expected to beat the head alone.
std::string why_they_lose(const PlanInputs& inputs) {
  if (!errs_blindly(inputs))
    return "where less than a point can be won they often lose";
  return text(
      "it is hardly surer of what it gets right than of what it gets wrong "
      "(AUROC ",
      rounded(*inputs.evidence.probe_auroc),
      "; chance is 0.5), as with wrong labels, which blocks learn by heart");
}

/// Why trained blocks are not compared with the head alone; "" if they are.
std::string why_no_proof(const Planning& p) {
  constexpr int64_t kFewestEpochs = 3;  // the solved head, a fresh one, blocks
  if (p.options.freeze_until != "auto")
    return "given: --freeze-until; what it says is trained and kept";
  if (!p.inputs.evidence.measured())
    return "the features were not probed, so the table alone is followed";
  if (!p.inputs.solved_head)
    return "the head is trained by steps: there is no solved one to compare "
           "with";
  const auto epochs = p.options.epochs, head = p.options.head_epochs;
  if (epochs && *epochs < kFewestEpochs)
    return text("--epochs ", *epochs,
                " leaves no room to solve for the head alone, to warm up a "
                "fresh one and to train blocks");
  if (epochs && head && *head >= *epochs)
    return text("--head-epochs ", *head, " leaves no epoch for blocks");
  return "";
}

/// What trained blocks must show.
void decide_proof(const Planning& p) {
  const bool likely =
      !errs_blindly(p.inputs) && expected_gain(p.inputs) >= kLikelyGain;
  p.plan.proof_errors = likely ? kProofLikely : kProofUnlikely;
  // Rates that were asked for are not changed, and no budget foresees a retry.
  p.plan.retries = p.options.lr || p.options.backbone_lr || p.inputs.seconds > 0
                       ? 0
                       : kRetries;
  p.decisions.add(
      "proof", text(p.plan.proof_errors, " s.e."),
      likely ? text("trained blocks stay unless they get fewer validation "
                    "pictures right than the head alone, by more than ",
                    -p.plan.proof_errors,
                    " standard error: where a point or more can be won they "
                    "usually win")
             : text("trained blocks must beat the head alone on the validation "
                    "pictures by ",
                    p.plan.proof_errors,
                    " standard errors, and are not trained where it gets too "
                    "many of them right for that: ",
                    why_they_lose(p.inputs)));
  if (p.plan.retries == 0) return;
  const double once = 1 / p.plan.retry_rate;
  p.decisions.add(
      "retries", std::to_string(p.plan.retries),
      text("blocks that diverge or end clearly less accurate than the head "
           "alone were trained by steps too large for this model: again at 1/",
           once, " of the backbone's rate, then at 1/", once * once));
}

}  // namespace

void decide_epochs(const Planning& p) {
  const std::string unproved = why_no_proof(p);
  p.plan.proof = p.live() && unproved.empty();
  if (p.plan.proof)
    decide_proof(p);
  else if (p.live())
    p.decisions.add("proof", "none", unproved);
  p.plan.solved_head = p.inputs.solved_head && (!p.live() || p.plan.proof);
  p.plan.evaluation_view = p.plan.solved_head && p.inputs.evidence.measured();
  if (p.only_solves()) {
    p.plan.epochs = p.plan.head_epochs = 1;
    std::string why = "one optimum, found on all views of all pictures at once";
    if (p.options.epochs.value_or(1) > 1)
      why += text("; --epochs ", *p.options.epochs,
                  p.options.views ? " counts" : " bounds its views, and counts",
                  " for --optimizer adam or sgd");
    p.decisions.add("epochs", "1", why);
    return;
  }
  // A large set is passed often enough as it is.
  const double open =
      p.live() && p.quadrant.size == SizeClass::small ? openness(p.inputs) : 0;
  const Passes some = passes(p.quadrant, open);
  const int64_t whole =
      std::clamp<int64_t>(some.pictures / std::max<int64_t>(p.total, 1),
                          some.min_epochs, some.max_epochs);
  const int64_t some_passes =
      std::max<int64_t>(std::llround(p.cut.passes * static_cast<double>(whole)),
                        std::min<int64_t>(whole, 2)) +
      epochs_aside(p);
  const int64_t own =
      p.live() ? std::max(some_passes, least_epochs(p.options)) : some_passes;
  p.plan.epochs = p.decisions.decide(
      "epochs", p.options.epochs, own,
      own > some_passes
          ? text("one for the blocks behind --head-epochs ",
                 *p.options.head_epochs)
          : text(p.plan.proof ? "the head's solution, then " : "", "about ",
                 some.pictures, " views in all, but ", some.min_epochs, " to ",
                 some.max_epochs, " passes",
                 open > 0
                     ? text("; the more as the head gets about ",
                            std::llround(open_pictures(p.inputs)),
                            " training pictures wrong, from which blocks learn")
                     : std::string(),
                 p.cut.passes < 1
                     ? ", cut to what fits into --time " + p.options.time
                     : std::string()));
  if (p.live())
    decide_head_epochs(p);
  else
    p.plan.head_epochs = p.plan.epochs;
}

void decide_batch(const Planning& p) {
  // What training keeps of a batch takes most memory where all blocks move.
  const bool whole = p.live() && p.plan.freeze_until == 0;
  const int64_t batch = (p.total < 1000 ? 16 : 32) / (whole ? 2 : 1);
  p.plan.batch_size = p.options.batch_size.value_or(batch);
  if (p.only_solves()) return;  // it is not used, so not told
  p.decisions.decide(
      "batch-size", p.options.batch_size, batch,
      text(p.total < 1000 ? "enough steps in few pictures" : "the usual",
           whole ? ", halved to save memory as all is trained" : ""));
}

void decide_rates(const Planning& p) {
  constexpr double kHeadRate = 2e-3;
  p.plan.head_lr = p.options.lr.value_or(kHeadRate);
  if (p.only_solves()) return;
  p.decisions.decide("lr", p.options.lr, kHeadRate,
                     "the head starts from nothing");
  if (!p.live()) return;
  // Between them, as brain scans, near the border, gained 2 points from the
  // higher one, and cut-outs of natural things nothing.
  constexpr double kNearRate = 1e-4, kFarRate = 3e-4, kOpenRate = 5e-4;
  // Without the noise of a batch's statistics. EfficientNet-Lite0 gained 1.3 to
  // 3.0 points from it on stamps, figures, rubbish, clothes and sign digits of
  // 144 to 181 pictures, where the rate was 1e-4 to 3e-4; from 1e-3 no more.
  // Brain scans lost 1.0.
  constexpr double kStillRate = 5e-4;
  // From recipes, as no pretrained model with layer norms was there to measure:
  // AdamW at 5e-5 for ConvNeXt (Liu et al. 2022, A ConvNet for the 2020s), 1e-5
  // for Swin (Liu et al. 2021), both in batches of hundreds.
  constexpr double kLayerNormRate = 1e-4;
  const auto between = [&](double far, double way) {
    return rounded(kNearRate * std::pow(far / kNearRate, way));
  };
  const double by_distance = between(kFarRate, distance(p.plan.similarity));
  const double by_errors = between(kOpenRate, openness(p.inputs));
  const bool still = p.plan.bn_statistics == BatchNormStatistics::running;
  const bool layer_norms = trains_layer_norms(p);
  const auto safe = [&](double rate) {
    return layer_norms ? std::min(rate, kLayerNormRate) : rate;
  };
  const double wanted =
      std::max({by_distance, by_errors, still ? kStillRate : 0.0});
  const double own = safe(wanted);
  const bool capped = own < wanted;
  const double second_rate = safe(std::max(wanted, kStillRate));
  if (p.plan.second_try_rate && !p.options.backbone_lr)
    p.plan.second_try_rate = second_rate / own;
  const int64_t smaller = std::llround(p.plan.head_lr / own);
  p.plan.backbone_lr = p.decisions.decide(
      "backbone-lr", p.options.backbone_lr, own,
      text("pretrained weights need small steps: ",
           smaller >= 2 ? text("1/", smaller, " of the head's, ") : "", "from ",
           kNearRate, " for pictures like the model's own to ", kFarRate,
           " for others",
           capped  ? text(", but ", kLayerNormRate,
                          " at most where layer norms are trained")
           : still ? text(", and ", kStillRate,
                          " where batch norms keep their statistics")
           : by_errors > by_distance
               ? text(", up to ", kOpenRate, " for many errors of the head")
               : std::string(),
           p.plan.second_try_rate && second_rate > own
               ? text("; ", second_rate, " in the second try")
               : std::string()));
  p.plan.block_decay = p.decisions.decide(
      "block-decay", p.options.block_decay, 0.9,
      "the nearer to the input, the more general the features");
}

int64_t views_that_fit(const Planning& p, int64_t cut) {
  const auto elements =
      p.inputs.block_outputs.empty()
          ? int64_t{1}
          : std::max<int64_t>(p.inputs.block_outputs.at(cut - 1), 1);
  // Two bytes an element, as in most caches; the evaluation view comes on top.
  return p.inputs.cache_bytes / (2 * elements * std::max<int64_t>(p.total, 1)) -
         1;
}

namespace {

std::string why_solved_views(const Planning& p, int64_t views) {
  std::string out = !p.plan.evaluation_view ? "random views"
                    : views == 1            ? "the pictures as they are"
                                            : "the pictures as they are, and "
                                              "random views";
  if (views == kSolvedViews) return out + "; more hardly change an optimum";
  return out + (views < p.cut.views
                    ? text("; --epochs ", *p.options.epochs)
                    : "; all that fits into --time " + p.options.time);
}

/// \param epochs  that see random views
std::string why_views(int64_t views, int64_t epochs) {
  if (views >= epochs) return "one for each epoch";
  const double share = static_cast<double>(views) / static_cast<double>(epochs);
  return text("used again over ", epochs,
              " epochs: ", std::llround(100 * share),
              " % of the work in the frozen blocks, and still variety");
}

/// Views that the plan would take, and that it can use where more are given.
struct WantedViews {
  int64_t views;
  std::string why;
  int64_t most;
  std::string why_no_more;
};

WantedViews wanted_views(const Planning& p) {
  if (!is_random(p.plan.augment)) {
    const std::string why = "all views of a picture are the same";
    return {1, why, 1, why};
  }
  if (p.only_solves()) {
    const int64_t views = std::min(
        {p.options.epochs.value_or(kSolvedViews), kSolvedViews, p.cut.views});
    return {views, why_solved_views(p, views),
            std::numeric_limits<int64_t>::max(), ""};
  }
  const int64_t epochs = p.plan.epochs;
  const int64_t views = std::clamp<int64_t>(
      (epochs + 2) / 3, std::min<int64_t>(2, epochs), kMostViews);
  return {views, why_views(views, epochs - epochs_aside(p)), epochs,
          "no more than epochs are seen"};
}

}  // namespace

void decide_views(const Planning& p) {
  if (p.plan.freeze_until == 0) {
    p.plan.views = 0;  // nothing is frozen, nothing is kept
    if (p.options.views.value_or(0) > 0)
      p.decisions.add("views", "0",
                      text("given: --views ", *p.options.views,
                           ", but no block is frozen whose output could be "
                           "kept"));
    return;
  }
  const WantedViews wanted = wanted_views(p);
  const int64_t fit = views_that_fit(p, p.plan.freeze_until);
  std::string why = wanted.why;
  if (fit < wanted.views)
    why =
        text("no more than ", std::max<int64_t>(fit, 0), " fit into the cache");
  p.plan.views = p.decisions.decide(
      "views", p.options.views, std::clamp<int64_t>(fit, 0, wanted.views), why);
  if (p.plan.views <= wanted.most) return;
  p.decisions.correct(text(wanted.most), text("given: --views ", p.plan.views,
                                              ", but ", wanted.why_no_more));
  p.plan.views = wanted.most;
}

void decide_statistics(const Planning& p) {
  std::vector<double> momenta;
  for (int64_t i = p.plan.lowest_cut(); i < std::ssize(p.inputs.batch_norms);
       ++i)
    momenta.insert(momenta.end(), p.inputs.batch_norms[i].begin(),
                   p.inputs.batch_norms[i].end());
  if (momenta.empty()) return;
  const auto decide = [&](BatchNormStatistics whose, const std::string& why) {
    p.plan.bn_statistics = whose;
    p.decisions.add(
        "bn-statistics",
        text(name_of(whose), p.plan.second_try_rate ? ", running" : ""), why);
  };
  if (const auto& given = p.inputs.bn_statistics)
    return decide(given->statistics, "given: " + given->flag);
  if (p.plan.epochs == p.plan.head_epochs) return;  // no epoch trains blocks
  // What moves, and the steps, are those of the first stage.
  size_t moved = 0;
  for (int64_t i = p.plan.freeze_until; i < std::ssize(p.inputs.batch_norms);
       ++i)
    moved += p.inputs.batch_norms[i].size();
  const bool small = p.quadrant.size == SizeClass::small;
  const Similarity& similarity = p.inputs.similarity;
  if (small && similarity.is_far(SimilarityClass::different))
    return decide(
        BatchNormStatistics::running,
        text(moved,
             " batch norms keep pretraining's: a batch's own would take out "
             "what is the same all over a picture, such as its brightness, "
             "which on different pictures costs more than it brings"));
  const double slowest = *std::ranges::min_element(momenta);
  const int64_t batches = (p.total + p.plan.batch_size - 1) / p.plan.batch_size;
  const int64_t steps = (p.plan.epochs - p.plan.head_epochs) * batches;
  const bool settle = slowest * static_cast<double>(steps) >= kSettled;
  // Where neither kind of pictures has its own.
  const bool either = small && settle && moved > 0 && p.plan.proof &&
                      p.inputs.val_pictures > 0 &&
                      !similarity.is_clearly(SimilarityClass::similar);
  if (either && p.cut.second_try) p.plan.second_try_rate = 1;
  std::string why =
      text("each of ", steps, " steps moves the running statistics of ", moved,
           " batch norms by ", slowest,
           settle ? ": they settle on these pictures"
                  : ": too little to settle, so that the saved model would not "
                    "normalise as the trained one did; pretraining's stay");
  if (either)
    why +=
        ". Pretraining's leave in what is the same all over a picture, which "
        "helps on some sets of this similarity: " +
        (p.cut.second_try
             ? "a second try keeps them, and stays if it gets as many "
               "validation pictures right as the first, or proves itself where "
               "that does not stay"
             : "but a second try by them takes more than what fits into "
               "--time " +
                   p.options.time);
  decide(settle ? BatchNormStatistics::batch : BatchNormStatistics::running,
         why);
}

}  // namespace engraft
