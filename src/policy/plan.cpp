#include "engraft/policy/plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

namespace engraft {
namespace {

// A set is large from so many training pictures on, in all or a class.
constexpr int64_t kLargeTotal = 10000;
constexpr int64_t kLargePerClass = 1000;
// Random views of a picture that a solved head learns from, and the most that
// live blocks get by themselves.
constexpr int64_t kSolvedViews = 3, kMostViews = 8;

/// What follows from a quadrant of the 2x2 table.
struct Quadrant {
  SizeClass size;
  SimilarityClass similarity;
  double frozen;  ///< share of the blocks, from the input on
  double backbone_lr;
  AugmentStrength augment;
  int64_t pictures;  ///< training pictures that the run should see, about
  int64_t min_epochs, max_epochs;
  const char* why_frozen;
};

constexpr Quadrant kQuadrants[] = {
    {SizeClass::small, SimilarityClass::similar, 1.0, 0,
     AugmentStrength::standard, 3000, 5, 12,
     "few pictures would overfit the backbone, and its features were made for "
     "pictures like these: train the head alone"},
    {SizeClass::small, SimilarityClass::different, 2.0 / 3, 3e-4,
     AugmentStrength::standard, 12000, 8, 20,
     "the last features were made for other pictures, but there are too few "
     "of these to train the early ones: train the last third"},
    {SizeClass::large, SimilarityClass::similar, 2.0 / 3, 1e-4,
     AugmentStrength::standard, 60000, 4, 12,
     "there are enough pictures to adapt the last third without overfitting; "
     "the earlier features fit already"},
    {SizeClass::large, SimilarityClass::different, 1.0 / 4, 3e-4,
     AugmentStrength::standard, 80000, 4, 10,
     "there are enough pictures to retrain all but the first, general "
     "features"},
};

const Quadrant& find_quadrant(SizeClass size, SimilarityClass similarity) {
  for (const Quadrant& q : kQuadrants)
    if (q.size == size && q.similarity == similarity) return q;
  throw std::logic_error("a quadrant is missing");
}

template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
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

std::string why_similarity(const Similarity& s) {
  std::ostringstream out;
  out.precision(2);
  out << std::fixed;
  const bool similar = s.verdict == SimilarityClass::similar;
  if (s.method == "given") return "given: --similarity";
  if (s.method == "batch_norm")
    out << "early features vary by a mean factor of e^" << s.value
        << " from the model's own pictures, " << (similar ? "at most" : "above")
        << " e^" << s.border << " (" << s.images << " pictures)";
  else
    out << "the original head's mean confidence is " << s.value << ", "
        << (similar ? "at least " : "below ") << s.border << " (" << s.images
        << " pictures)";
  return out.str();
}

void decide_blocks(const PlanInputs& inputs, const PlanOptions& options,
                   int64_t override_until, const Quadrant& quadrant,
                   TransferPlan& plan, Decisions& decisions) {
  const int64_t own =
      inputs.frozen_graph
          ? inputs.num_blocks
          : std::llround(quadrant.frozen *
                         static_cast<double>(inputs.num_blocks));
  plan.freeze_until = override_until >= 0 ? override_until : own;
  std::string why = quadrant.why_frozen;
  if (inputs.frozen_graph) why = "the graph is frozen: only its head is left";
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
      live == 0 ? text("all ", inputs.num_blocks, " blocks")
      : plan.freeze_until == 0
          ? std::string("nothing")
          : text("blocks 0-", plan.freeze_until - 1, " of ", inputs.num_blocks,
                 " (", percent, " % of the backbone's weights are trained)");
  decisions.add("frozen", value, why);
}

void decide_rates(const PlanOptions& options, const Quadrant& quadrant,
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
  // Overrides may thaw what the quadrant would freeze.
  const double own = quadrant.backbone_lr > 0 ? quadrant.backbone_lr : 1e-4;
  plan.backbone_lr = decisions.decide(
      "backbone-lr", options.backbone_lr, own,
      text("pretrained weights need small steps: 1/",
           std::llround(plan.head_lr / own), " of the head's"));
  plan.block_decay = decisions.decide(
      "block-decay", options.block_decay, 0.9,
      "the nearer to the input, the more general the features");
}

/// Passes that learn the head alone: all of them, or a first share.
void decide_head_epochs(const PlanOptions& options, bool solved,
                        TransferPlan& plan, Decisions& decisions) {
  plan.head_epochs = decisions.decide<int64_t>(
      "head-epochs", options.head_epochs,
      solved ? std::min<int64_t>(plan.epochs - 1, 1)
             : std::min<int64_t>(plan.epochs - 1,
                                 std::max<int64_t>(1, plan.epochs / 5)),
      "a random head would send noise into the pretrained blocks");
  if (plan.head_epochs > plan.epochs)
    fail(Fault::usage, "--head-epochs ", plan.head_epochs,
         " is above --epochs ", plan.epochs);
}

void decide_epochs(const PlanInputs& inputs, const PlanOptions& options,
                   const Quadrant& quadrant, int64_t total, bool live,
                   TransferPlan& plan, Decisions& decisions) {
  plan.solved_head =
      inputs.solved_head && (!live || inputs.solved_before_blocks);
  if (!live && plan.solved_head) {
    plan.epochs = plan.head_epochs = 1;
    std::string why = "one optimum, found on all views of all pictures at once";
    if (options.epochs.value_or(1) > 1)
      why += text("; --epochs ", *options.epochs,
                  " counts for --optimizer adam or sgd");
    decisions.add("epochs", "1", why);
    return;
  }
  const int64_t own =
      std::clamp<int64_t>(quadrant.pictures / std::max<int64_t>(total, 1),
                          quadrant.min_epochs, quadrant.max_epochs);
  plan.epochs = decisions.decide(
      "epochs", options.epochs, own,
      text("about ", quadrant.pictures, " views in all, but ",
           quadrant.min_epochs, " to ", quadrant.max_epochs, " passes"));
  if (live)
    decide_head_epochs(options, plan.solved_head, plan, decisions);
  else
    plan.head_epochs = plan.epochs;
}

/// Views that pass the frozen blocks once each.
void decide_views(const PlanInputs& inputs, const PlanOptions& options,
                  int64_t total, bool live, TransferPlan& plan,
                  Decisions& decisions) {
  if (plan.freeze_until == 0) {
    plan.views = 0;  // nothing is frozen, nothing is kept
    return;
  }
  const bool solved = !live && inputs.solved_head;
  const int64_t wanted =
      solved
          ? std::min(options.epochs.value_or(kSolvedViews), kSolvedViews)
          : std::clamp<int64_t>((plan.epochs + 2) / 3,
                                std::min<int64_t>(2, plan.epochs), kMostViews);
  const auto elements =
      inputs.block_outputs.empty()
          ? int64_t{1}
          : std::max<int64_t>(inputs.block_outputs.at(plan.freeze_until - 1),
                              1);
  // Two bytes an element, as in most caches; the evaluation view comes on top.
  const int64_t fit =
      inputs.cache_bytes / (2 * elements * std::max<int64_t>(total, 1)) - 1;
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

}  // namespace

TransferPlan choose_plan(const PlanInputs& inputs, const PlanOptions& options,
                         const AugmentOptions& augment,
                         int64_t freeze_override) {
  TransferPlan plan;
  Decisions decisions(plan.reasons);
  const auto& counts = inputs.images_per_class;
  const int64_t total =
      std::accumulate(counts.begin(), counts.end(), int64_t{0});
  const int64_t classes = static_cast<int64_t>(counts.size());
  const bool large = total >= kLargeTotal ||
                     total >= kLargePerClass * std::max<int64_t>(classes, 1);
  plan.size = decisions.decide("size", options.size,
                               large ? SizeClass::large : SizeClass::small,
                               why_size(total, classes));
  plan.similarity = inputs.similarity;
  if (options.similarity) {
    plan.similarity.verdict = *options.similarity;
    plan.similarity.method = "given";
  }
  decisions.add("similarity", std::string(name_of(plan.similarity.verdict)),
                why_similarity(plan.similarity));
  const Quadrant& quadrant = find_quadrant(plan.size, plan.similarity.verdict);
  decide_blocks(inputs, options, freeze_override, quadrant, plan, decisions);
  const bool live = plan.freeze_until < inputs.num_blocks;
  decide_epochs(inputs, options, quadrant, total, live, plan, decisions);
  decide_rates(options, quadrant, total, live, plan, decisions);
  decide_views(inputs, options, total, live, plan, decisions);
  const AugmentStrength strength = decisions.decide(
      "augment", augment.augment, quadrant.augment,
      "random crops, mirror images and colours stand for pictures that are "
      "not there");
  plan.augment = augment_settings(strength, augment);
  return plan;
}

Json to_json(const TransferPlan& plan) {
  Json reasons = Json::array();
  for (const Reason& r : plan.reasons)
    reasons.push_back(
        {{"decision", r.decision}, {"value", r.value}, {"because", r.because}});
  return {{"size", std::string(name_of(plan.size))},
          {"similarity", to_json(plan.similarity)},
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
          {"reasons", reasons}};
}

}  // namespace engraft
