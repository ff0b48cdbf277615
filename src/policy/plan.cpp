#include "engraft/policy/plan.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string_view>

#include "policy/advice.h"
#include "policy/estimate.h"
#include "policy/training_pictures.h"
#include "policy/words.h"

namespace engraft {
namespace {

// A set is large from so many training pictures on, in all or a class.
constexpr int64_t kLargeTotal = 10000;
constexpr int64_t kLargePerClass = 1000;
// Of what the head alone gets wrong, the share that training blocks wins.
constexpr double kShareSimilar = 0.15, kShareUncertain = 0.35,
                 kShareDifferent = 0.5;
// Share of the blocks that stay frozen where few pictures train the rest.
constexpr double kSmallCut = 2.0 / 3;
// What trained blocks must show. From an expected gain on, by which the head's
// errors and the similarity say that they usually win, a validation part of 40
// to 200 pictures must not cost that by chance: they stay unless they are less
// accurate than the head alone by a standard error. Stamps, brain scans, clip
// art, emoji, digits and clothes gained 0.5 to 9 points by it (14 runs), though
// on validation pictures some seemed worse by 0.9 errors. Below, they often
// lose (ants and bees: 0.6 and 1.3 points), and must be better by as much.
constexpr double kLikelyGain = 0.01, kProofUnlikely = 1, kProofLikely = -1;
// Few and many pictures that the head gets wrong. Where there were up to 40
// (ants and bees, brain scans, cut-outs, 200 clothes) more and larger steps
// brought nothing; where there were 80 and more (sign digits, 1000 clothes,
// 1500 pieces of rubbish) up to 3.6 points.
constexpr double kFewOpen = 40, kManyOpen = 120;
// Views that the run sees, and its passes, where there are many.
constexpr int64_t kOpenPictures = 24000, kOpenMinEpochs = 8,
                  kOpenMaxEpochs = 20;
// A stage of more blocks. At the rates of the stage before it threw clip art
// off. At less it was kept with rubbish (0.5 points more), refused with sign
// digits, and cost 0.5 and 1.2 points where 1000 clothes had won by less than
// one standard error: hence as many are asked for, and none of it by default.
constexpr int64_t kDeeperEpochs = 6, kDeeperViews = 2;
constexpr double kDeeperRate = 0.3, kDeeperErrors = 1;
// Points of accuracy below which that is not worth its time.
constexpr double kWorthTraining = 0.005;
// A mirror image, or another view, is something else from this statistic on,
// and from this loss of accuracy on. Standard views lose at most 2.5 points on
// photographs, 10 to 15 on sign digits and clothes of 28x28 pixels, which learn
// better from light ones (clothes, 200 pictures: by 3 to 4 points).
constexpr double kViewZ = 2, kFlipLoss = 0.02, kStandardLoss = 0.05;
// Networks are taught that mirror images are the same, so that few pictures
// lose their class by it even where it is wrong. The loss tells more: for
// digits 0.05 and 0.07 nats and 1.8 and 2.2 standard errors by two models, on
// nine other sets at most 0.022 or, once, 0.055 and 1.6 standard errors.
// Without mirror images the digits are learned 2 and 4 points better.
constexpr double kFlipNats = 0.03, kFlipLossZ = 1.7;
// Random views of a picture that a solved head learns from, and the most that
// live blocks get by themselves.
constexpr int64_t kSolvedViews = 3, kMostViews = 8;

/// What follows from a quadrant of the 2x2 table.
struct Quadrant {
  SizeClass size;
  SimilarityClass similarity;
  double frozen;  ///< share of the blocks, from the input on
  AugmentStrength augment;
  int64_t pictures;  ///< training pictures that the run should see, about
  int64_t min_epochs, max_epochs;
  const char* why_frozen;
};

constexpr Quadrant kQuadrants[] = {
    {SizeClass::small, SimilarityClass::similar, 1.0, AugmentStrength::standard,
     3000, 5, 12,
     "few pictures would overfit the backbone, and its features were made for "
     "pictures like these: train the head alone"},
    {SizeClass::small, SimilarityClass::different, 2.0 / 3,
     AugmentStrength::standard, 12000, 8, 20,
     "the last features were made for other pictures, but there are too few "
     "of these to train the early ones: train the last third"},
    {SizeClass::large, SimilarityClass::similar, 2.0 / 3,
     AugmentStrength::standard, 60000, 4, 12,
     "there are enough pictures to adapt the last third without overfitting; "
     "the earlier features fit already"},
    {SizeClass::large, SimilarityClass::different, 1.0 / 4,
     AugmentStrength::standard, 80000, 4, 10,
     "there are enough pictures to retrain all but the first, general "
     "features"},
};

/// How far a budget cuts a plan down, in the order in which it does.
struct Cut {
  double passes = 1;   ///< share of the epochs
  bool blocks = true;  ///< else the head alone
  int64_t views = kSolvedViews;
  bool deeper = false;  ///< more blocks after those
};
constexpr Cut kCuts[] = {{1, true, kSolvedViews, true},
                         {1, true, kSolvedViews},
                         {0.7, true, kSolvedViews},
                         {0.5, true, kSolvedViews},
                         {0.35, true, kSolvedViews},
                         {0.25, true, kSolvedViews},
                         {1, false, kSolvedViews},
                         {0.5, false, 2},
                         {0.25, false, 1}};

const Quadrant& find_quadrant(SizeClass size, SimilarityClass similarity) {
  for (const Quadrant& q : kQuadrants)
    if (q.size == size && q.similarity == similarity) return q;
  throw std::logic_error("a quadrant is missing");
}

/// Collects decisions; an option that is set wins and is named.
class Decisions {
 public:
  explicit Decisions(std::vector<Reason>& reasons) : reasons_(reasons) {}

  template <typename T>
  T decide(const char* name, const std::optional<T>& option, T own,
           const std::string& because) {
    const T value = option.value_or(own);
    add(name, spell(value), option ? text("given: --", name) : because);
    return value;
  }
  void add(const std::string& name, const std::string& value,
           const std::string& because) {
    reasons_.push_back({name, value, because});
  }

 private:
  template <typename T>
  static std::string spell(const T& value) {
    if constexpr (std::is_enum_v<T>)
      return std::string(name_of(value));
    else
      return text(value);
  }
  std::vector<Reason>& reasons_;
};

std::string why_size(int64_t total, int64_t classes) {
  const int64_t each = total / std::max<int64_t>(classes, 1);
  return text(total, " training pictures, ", each, " a class; large is from ",
              kLargeTotal, " in all or ", kLargePerClass, " a class on");
}

/// What else is unlike the photographs of ImageNet; "" for nothing.
std::string what_kind(const Similarity& s) {
  constexpr double kMostlyGrey = 0.5, kEnlarged = 2;
  std::string out;
  if (s.grey >= kMostlyGrey) out += ", without colour";
  if (s.shorter_side > 0 && s.resized_side >= kEnlarged * s.shorter_side)
    out += text(", enlarged from ", s.shorter_side, " to ", s.resized_side,
                " pixels");
  return out;
}

std::string why_similarity(const Similarity& s) {
  std::ostringstream out;
  out.precision(2);
  out << std::fixed;
  const bool similar = s.verdict == SimilarityClass::similar;
  if (s.method == "given") return "given: --similarity";
  if (s.method == "batch_norm")
    out << "early features vary by a mean factor of e^" << s.value
        << " from the model's own pictures, " << (similar ? "at most" : "above")
        << " e^" << s.border;
  else
    out << "the original head's mean confidence is " << s.value << ", "
        << (similar ? "at least " : "below ") << s.border;
  out << " (" << s.images << " pictures" << what_kind(s) << ")";
  if (s.uncertain) out << "; near the border, so both are allowed for";
  return out.str();
}

/// To two digits, as one would type it.
double rounded(double value) {
  // Over a whole power of ten, so that a rate is the number that is printed.
  const double scale = std::pow(10, 1 - std::floor(std::log10(value)));
  return std::round(value * scale) / scale;
}

/// Training pictures that a head on the pretrained features gets wrong, copies
/// of others left out: what there is for blocks to learn.
double open_pictures(const PlanInputs& inputs) {
  return inputs.evidence.head_room() * inputs.evidence.distinct *
         static_cast<double>(training_pictures(inputs));
}

/// Whether these are few (0) or many (1).
double openness(const PlanInputs& inputs) {
  const double open = open_pictures(inputs);
  if (open <= kFewOpen) return 0;
  return std::min(std::log(open / kFewOpen) / std::log(kManyOpen / kFewOpen),
                  1.0);
}

/// The head gets so many wrong that blocks have much to learn.
bool is_open(const PlanInputs& inputs) { return openness(inputs) >= 0.5; }

/// Whether training blocks can pay, from what the head alone gets wrong.
struct Worth {
  bool training = false;
  std::string why;
};

/// Of what the head alone gets wrong, the share that blocks win.
double share_won(const PlanInputs& inputs) {
  const bool similar = inputs.similarity.verdict == SimilarityClass::similar;
  return inputs.similarity.uncertain || (similar && is_open(inputs))
             ? kShareUncertain
         : similar ? kShareSimilar
                   : kShareDifferent;
}

/// Of accuracy, by training blocks.
double expected_gain(const PlanInputs& inputs) {
  return share_won(inputs) * inputs.evidence.head_room();
}

Worth judge_worth(const PlanInputs& inputs) {
  const Evidence& e = inputs.evidence;
  const bool similar = inputs.similarity.verdict == SimilarityClass::similar;
  const double gain = expected_gain(inputs);
  Worth out;
  out.training = gain >= kWorthTraining;
  out.why =
      text("a head on the pretrained features gets ", points(e.accuracy()),
           " % of held-out training pictures right;"
           " training blocks, which on ",
           inputs.similarity.uncertain  ? "sets near the border"
           : similar && is_open(inputs) ? "sets with so many errors"
           : similar                    ? "similar sets"
                                        : "different sets",
           " wins about ", std::llround(100 * share_won(inputs)),
           " % of the rest, could add ", points(gain),
           " points: ", out.training ? "worth trying" : "not worth its time");
  return out;
}

void decide_blocks(const PlanInputs& inputs, const PlanOptions& options,
                   int64_t override_until, const Quadrant& quadrant,
                   const Cut& cut, TransferPlan& plan, Decisions& decisions) {
  const auto blocks = static_cast<double>(inputs.num_blocks);
  int64_t own = std::llround(quadrant.frozen * blocks);
  std::string why = quadrant.why_frozen;
  if (inputs.evidence.measured()) {
    const Worth worth = judge_worth(inputs);
    why = worth.why;
    if (!worth.training)
      own = inputs.num_blocks;
    else if (own == inputs.num_blocks)
      own = std::llround(kSmallCut * blocks);
  }
  if (!cut.blocks) {
    own = inputs.num_blocks;
    why = "all that fits into --time " + options.time;
  }
  if (inputs.only_head) {
    own = inputs.num_blocks;
    why = "--optimizer lbfgs solves for the head, and trains no blocks";
  }
  if (inputs.frozen_graph) {
    own = inputs.num_blocks;
    why = "the graph is frozen: only its head is left";
  }
  plan.freeze_until = override_until >= 0 ? override_until : own;
  if (override_until >= 0)
    why = "given: --freeze-until " + options.freeze_until;
  const int64_t live = inputs.num_blocks - plan.freeze_until;
  int64_t live_parameters = 0, parameters = 0;
  for (int64_t i = 0; i < static_cast<int64_t>(inputs.block_parameters.size());
       ++i) {
    parameters += inputs.block_parameters[i];
    if (i >= plan.freeze_until) live_parameters += inputs.block_parameters[i];
  }
  const int64_t percent =
      parameters ? std::llround(100.0 * live_parameters / parameters) : 0;
  const std::string value =
      live == 0 ? inputs.num_blocks == 1
                      ? std::string("the only block")
                      : text("all ", inputs.num_blocks, " blocks")
      : plan.freeze_until == 0
          ? std::string("nothing")
          : text("blocks 0-", plan.freeze_until - 1, " of ", inputs.num_blocks);
  if (live > 0 && plan.freeze_until > 0 && override_until < 0)
    why += text(" (", percent, " % of the backbone's weights are trained)");
  decisions.add("frozen", value, why);
}

/// How far pictures are from the model's own: 0 from half the way to the border
/// of similarity on, 1 at the border.
double distance(const Similarity& s) {
  if (s.method == "given" || s.border <= 0)
    return s.verdict == SimilarityClass::similar ? 0 : 1;
  const double way =
      s.method == "batch_norm" ? s.value / s.border : 2 - s.value / s.border;
  return std::clamp(2 * way - 1, 0.0, 1.0);
}

void decide_rates(const PlanInputs& inputs, const PlanOptions& options,
                  int64_t total, bool live, TransferPlan& plan,
                  Decisions& decisions) {
  constexpr double kHeadRate = 2e-3;
  // What training keeps of a batch takes most memory where all blocks move.
  const bool whole = live && plan.freeze_until == 0;
  const int64_t batch = (total < 1000 ? 16 : 32) / (whole ? 2 : 1);
  plan.head_lr = options.lr.value_or(kHeadRate);
  plan.batch_size = options.batch_size.value_or(batch);
  if (!live && plan.solved_head) return;  // neither is used, so none is told
  decisions.decide("lr", options.lr, kHeadRate, "the head starts from nothing");
  decisions.decide(
      "batch-size", options.batch_size, batch,
      text(total < 1000 ? "enough steps in few pictures" : "the usual",
           whole ? ", halved to save memory as all is trained" : ""));
  if (!live) return;
  // Between them, as brain scans, near the border, gained 2 points from the
  // higher one, and cut-outs of natural things nothing.
  constexpr double kNearRate = 1e-4, kFarRate = 3e-4, kOpenRate = 5e-4;
  const auto between = [&](double far, double way) {
    return rounded(kNearRate * std::pow(far / kNearRate, way));
  };
  const double by_distance = between(kFarRate, distance(plan.similarity));
  const double by_errors = between(kOpenRate, openness(inputs));
  const double own = std::max(by_distance, by_errors);
  plan.backbone_lr = decisions.decide(
      "backbone-lr", options.backbone_lr, own,
      text("pretrained weights need small steps: 1/",
           std::llround(plan.head_lr / own), " of the head's, from ", kNearRate,
           " for pictures like the model's own to ", kFarRate, " for others",
           by_errors > by_distance
               ? text(", up to ", kOpenRate, " for many errors of the head")
               : std::string()));
  plan.block_decay = decisions.decide(
      "block-decay", options.block_decay, 0.9,
      "the nearer to the input, the more general the features");
}

/// Passes that learn the head alone: all of them, or a first share.
void decide_head_epochs(const PlanOptions& options, TransferPlan& plan,
                        Decisions& decisions) {
  // With a proof the first epoch is the solved head's, which is put aside.
  const int64_t aside = plan.proof ? 1 : 0;
  const int64_t rest = plan.epochs - aside;
  plan.head_epochs = decisions.decide<int64_t>(
      "head-epochs", options.head_epochs,
      aside + std::min<int64_t>(rest - 1, std::max<int64_t>(1, rest / 5)),
      plan.proof ? "the first solves for the head alone, to compare with; the "
                   "others warm up a fresh one, which would send noise into "
                   "the pretrained blocks"
                 : "a random head would send noise into the pretrained blocks");
  if (plan.head_epochs > plan.epochs)
    fail(Fault::usage, "--head-epochs ", plan.head_epochs,
         " is above --epochs ", plan.epochs);
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

/// What trained blocks must show.
void decide_proof(const PlanInputs& inputs, TransferPlan& plan,
                  Decisions& decisions) {
  const bool likely = expected_gain(inputs) >= kLikelyGain;
  plan.proof_errors = likely ? kProofLikely : kProofUnlikely;
  decisions.add(
      "proof", text(plan.proof_errors, " s.e."),
      likely ? text("trained blocks stay unless they get fewer validation "
                    "pictures right than the head alone, by ",
                    -plan.proof_errors,
                    " standard error: where a point or more can be won they "
                    "usually win")
             : text("trained blocks must beat the head alone on the validation "
                    "pictures by ",
                    plan.proof_errors,
                    " standard error, or are not trained where it gets all of "
                    "them right: where less than a point can be won they often "
                    "lose"));
}

void decide_epochs(const PlanInputs& inputs, const PlanOptions& options,
                   const Quadrant& quadrant, int64_t total, bool live,
                   const Cut& cut, TransferPlan& plan, Decisions& decisions) {
  plan.proof = live && inputs.solved_head && inputs.evidence.measured() &&
               options.epochs.value_or(3) >= 3 &&
               options.freeze_until == "auto";
  if (plan.proof) decide_proof(inputs, plan, decisions);
  plan.solved_head = inputs.solved_head && (!live || plan.proof);
  plan.evaluation_view = plan.solved_head && inputs.evidence.measured();
  if (!live && plan.solved_head) {
    plan.epochs = plan.head_epochs = 1;
    std::string why = "one optimum, found on all views of all pictures at once";
    if (options.epochs.value_or(1) > 1)
      why += text("; --epochs ", *options.epochs,
                  " bounds its views, and counts for --optimizer adam or sgd");
    decisions.add("epochs", "1", why);
    return;
  }
  // A large set is passed often enough as it is.
  const double open =
      live && quadrant.size == SizeClass::small ? openness(inputs) : 0;
  const Passes some = passes(quadrant, open);
  const int64_t whole =
      std::clamp<int64_t>(some.pictures / std::max<int64_t>(total, 1),
                          some.min_epochs, some.max_epochs);
  const int64_t own =
      std::max<int64_t>(std::llround(cut.passes * static_cast<double>(whole)),
                        std::min<int64_t>(whole, 2)) +
      (plan.proof ? 1 : 0);
  plan.epochs = decisions.decide(
      "epochs", options.epochs, own,
      text(plan.proof ? "the head's solution, then " : "", "about ",
           some.pictures, " views in all, but ", some.min_epochs, " to ",
           some.max_epochs, " passes",
           open > 0 ? text("; the more as the head gets about ",
                           std::llround(open_pictures(inputs)),
                           " training pictures wrong, from which blocks learn")
                    : std::string(),
           cut.passes < 1 ? ", cut to what fits into --time " + options.time
                          : std::string()));
  if (live)
    decide_head_epochs(options, plan, decisions);
  else
    plan.head_epochs = plan.epochs;
}

/// Views of each picture before block `cut` that the cache takes.
int64_t views_that_fit(const PlanInputs& inputs, int64_t cut, int64_t total) {
  const auto elements =
      inputs.block_outputs.empty()
          ? int64_t{1}
          : std::max<int64_t>(inputs.block_outputs.at(cut - 1), 1);
  // Two bytes an element, as in most caches; the evaluation view comes on top.
  return inputs.cache_bytes / (2 * elements * std::max<int64_t>(total, 1)) - 1;
}

/// Views that pass the frozen blocks once each.
void decide_views(const PlanInputs& inputs, const PlanOptions& options,
                  int64_t total, bool live, const Cut& cut, TransferPlan& plan,
                  Decisions& decisions) {
  if (plan.freeze_until == 0) {
    plan.views = 0;  // nothing is frozen, nothing is kept
    return;
  }
  const bool solved = !live && inputs.solved_head;
  const int64_t wanted =
      solved
          ? std::min({options.epochs.value_or(kSolvedViews), kSolvedViews,
                      cut.views})
          : std::clamp<int64_t>((plan.epochs + 2) / 3,
                                std::min<int64_t>(2, plan.epochs), kMostViews);
  const int64_t fit = views_that_fit(inputs, plan.freeze_until, total);
  std::string why = solved ? "crops, mirror images and colours for the head; "
                             "more hardly change an optimum"
                           : text("used again over ", plan.epochs,
                                  " epochs: a third of the work in the frozen "
                                  "blocks, and still variety");
  if (fit < wanted)
    why =
        text("no more than ", std::max<int64_t>(fit, 0), " fit into the cache");
  plan.views = decisions.decide("views", options.views,
                                std::clamp<int64_t>(fit, 0, wanted), why);
  if (!solved) plan.views = std::min(plan.views, plan.epochs);
}

/// More blocks, when those before prove themselves.
void decide_deeper(const PlanInputs& inputs, const PlanOptions& options,
                   int64_t total, const Cut& cut, TransferPlan& plan,
                   Decisions& decisions) {
  if (!options.deeper) return;
  const int64_t first = plan.freeze_until / 2;
  if (!plan.proof || first < 1) {
    decisions.add("deeper", "no",
                  "no blocks are trained that have to prove themselves first");
    return;
  }
  if (!cut.deeper) {
    decisions.add("deeper", "no",
                  "more than what fits into --time " + options.time);
    return;
  }
  plan.deeper = {{first, kDeeperEpochs,
                  std::clamp<int64_t>(views_that_fit(inputs, first, total), 0,
                                      kDeeperViews),
                  kDeeperRate, kDeeperErrors}};
  decisions.add(
      "deeper", text("from block ", first, " on"),
      text("given: --deeper; ", kDeeperEpochs, " epochs more at ", kDeeperRate,
           " of the rates, if the blocks before stay, and kept if better than "
           "they by ",
           kDeeperErrors, " s.e."));
}

/// Of those views; null where none was looked at.
const ViewProbe* find_view(const std::vector<ViewProbe>& probes,
                           std::string_view kind) {
  for (const ViewProbe& probe : probes)
    if (probe.kind == kind && probe.pictures > 0) return &probe;
  return nullptr;
}

/// Whether the pictures' class is lost on their views, in so many of them.
bool loses_class(const ViewProbe& probe, double loss) {
  return probe.z >= kViewZ && probe.accuracy - probe.view_accuracy >= loss;
}

/// Turns mirror images off where they are something else.
AugmentOptions decide_flips(const PlanInputs& inputs,
                            const AugmentOptions& augment,
                            Decisions& decisions) {
  AugmentOptions out = augment;
  const ViewProbe* probe = find_view(inputs.evidence.flips, "horizontal");
  if (!probe || !augment.flip) return out;
  const bool dearer =
      probe->loss_gain >= kFlipNats && probe->loss_z >= kFlipLossZ;
  out.flip = !dearer && !loses_class(*probe, kFlipLoss);
  decisions.add(
      "flip", out.flip ? "yes" : "no",
      text("the head gets ", points(probe->view_accuracy), " % of ",
           probe->pictures, " mirrored pictures right",
           dearer ? text(", at a loss that is higher by ",
                         rounded(probe->loss_gain), " (",
                         rounded(probe->loss_z), " standard errors),")
                  : std::string(","),
           " and ", points(probe->accuracy), " % as they are",
           out.flip ? ": they keep their class" : ": they are something else"));
  return out;
}

/// Light views where the standard ones show something else.
AugmentStrength decide_strength(const PlanInputs& inputs,
                                const AugmentOptions& augment,
                                AugmentStrength own, Decisions& decisions) {
  std::string why =
      "random crops, mirror images and colours stand for pictures that are not "
      "there";
  if (const ViewProbe* probe = find_view(inputs.evidence.views,
                                         name_of(AugmentStrength::standard))) {
    const bool light = loses_class(*probe, kStandardLoss);
    if (light) own = AugmentStrength::light;
    why = text("the head gets ", points(probe->view_accuracy), " % of ",
               probe->pictures, " pictures right by their standard views, ",
               points(probe->accuracy), " % as they are: ",
               light ? "so much is lost on them that light ones are better"
                     : "they keep their class, and stand for pictures that are "
                       "not there");
  }
  return decisions.decide("augment", augment.augment, own, why);
}

/// No test by views that take the class away; flip as decide_flips has it.
int64_t decide_test_crops(const PlanInputs& inputs, bool flip,
                          Decisions& decisions) {
  if (inputs.test_crops) {
    decisions.add("test crops", text(*inputs.test_crops), "given: --crops");
    return *inputs.test_crops;
  }
  const ViewProbe* standard =
      find_view(inputs.evidence.views, name_of(AugmentStrength::standard));
  if (standard && loses_class(*standard, kStandardLoss)) {
    decisions.add("test crops", "1",
                  "the centre, where others would not see all of it");
    return kCentreCrop;
  }
  if (flip) return kTenCrops;
  decisions.add("test crops", "5", "corners and centre, no mirror images");
  return kFiveCrops;
}

TransferPlan cut_plan(const PlanInputs& inputs, const PlanOptions& options,
                      const AugmentOptions& augment, int64_t freeze_override,
                      const Cut& cut) {
  TransferPlan plan;
  Decisions decisions(plan.reasons);
  const int64_t total = training_pictures(inputs);
  const int64_t classes = std::ssize(inputs.images_per_class);
  const bool large = total >= kLargeTotal ||
                     total >= kLargePerClass * std::max<int64_t>(classes, 1);
  plan.size = decisions.decide("size", options.size,
                               large ? SizeClass::large : SizeClass::small,
                               why_size(total, classes));
  plan.evidence = inputs.evidence;
  plan.similarity = inputs.similarity;
  decisions.add("similarity", std::string(name_of(plan.similarity.verdict)),
                why_similarity(plan.similarity));
  const Quadrant& quadrant = find_quadrant(plan.size, plan.similarity.verdict);
  decide_blocks(inputs, options, freeze_override, quadrant, cut, plan,
                decisions);
  const bool live = plan.freeze_until < inputs.num_blocks;
  decide_epochs(inputs, options, quadrant, total, live, cut, plan, decisions);
  decide_rates(inputs, options, total, live, plan, decisions);
  decide_views(inputs, options, total, live, cut, plan, decisions);
  decide_deeper(inputs, options, total, cut, plan, decisions);
  const AugmentStrength strength =
      decide_strength(inputs, augment, quadrant.augment, decisions);
  const AugmentOptions flipped = decide_flips(inputs, augment, decisions);
  plan.augment = augment_settings(strength, flipped);
  plan.test_crops = decide_test_crops(inputs, flipped.flip, decisions);
  plan.advice = advice(inputs);
  if (inputs.speed) plan.seconds = estimate_seconds(inputs, plan);
  return plan;
}

}  // namespace

TransferPlan choose_plan(const PlanInputs& measured, const PlanOptions& options,
                         const AugmentOptions& augment,
                         int64_t freeze_override) {
  PlanInputs inputs = measured;
  if (options.similarity) {
    inputs.similarity.verdict = *options.similarity;
    inputs.similarity.method = "given";
    inputs.similarity.uncertain = false;
  }
  TransferPlan plan;
  for (const Cut& cut : kCuts) {
    plan = cut_plan(inputs, options, augment, freeze_override, cut);
    if (!(inputs.seconds > 0) || plan.seconds <= inputs.seconds) return plan;
  }
  plan.advice.push_back(text("--time ", options.time,
                             " is less than what the least plan is "
                             "estimated to take, ",
                             std::llround(plan.seconds), " s"));
  return plan;
}

Json to_json(const TransferPlan& plan) {
  Json reasons = Json::array();
  for (const Reason& r : plan.reasons)
    reasons.push_back(
        {{"decision", r.decision}, {"value", r.value}, {"because", r.because}});
  Json deeper = Json::array();
  for (const DeeperStage& d : plan.deeper)
    deeper.push_back({{"cut", d.cut},
                      {"epochs", d.epochs},
                      {"views", d.views},
                      {"rate", d.rate},
                      {"proof_errors", d.proof_errors}});
  return {
      {"size", std::string(name_of(plan.size))},
      {"similarity", to_json(plan.similarity)},
      {"evidence", plan.evidence.measured() ? to_json(plan.evidence) : Json()},
      {"proof", plan.proof},
      {"proof_errors", plan.proof ? Json(plan.proof_errors) : Json()},
      {"deeper", deeper},
      {"advice", plan.advice},
      {"estimated_seconds", plan.seconds > 0 ? Json(plan.seconds) : Json()},
      {"freeze_until", plan.freeze_until},
      {"solved_head", plan.solved_head},
      {"head_epochs", plan.head_epochs},
      {"epochs", plan.epochs},
      {"views", plan.views},
      {"batch_size", plan.batch_size},
      {"head_lr", plan.head_lr},
      {"backbone_lr", plan.backbone_lr},
      {"block_decay", plan.block_decay},
      {"augment", to_json(plan.augment)},
      {"test_crops", plan.test_crops},
      {"reasons", reasons}};
}

}  // namespace engraft
