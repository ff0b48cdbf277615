#include "engraft/policy/plan.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include "digits.h"
#include "policy/advice.h"
#include "policy/estimate.h"
#include "policy/planning.h"
#include "policy/training_pictures.h"
#include "policy/words.h"

namespace engraft {
namespace {

// A set is large from so many training pictures on, in all or a class.
constexpr int64_t kLargeTotal = 10000;
constexpr int64_t kLargePerClass = 1000;

// Where the lecture asks for more layers, in large different sets, more of them
// took longer and brought nothing: trained on 16,000 clothes from a quarter on
// in 5 passes, MobileNetV2 and EfficientNet-Lite0 got 92.9 and 91.9 % of 6,000
// others right, and from two thirds on 92.5 and 92.1 % in 5 passes, 93.1 and
// 92.6 % in 10.
constexpr Quadrant kQuadrants[] = {
    {SizeClass::small, SimilarityClass::similar, false,
     AugmentStrength::standard, 3000, 5, 12,
     "few pictures would overfit the backbone, and its features were made for "
     "pictures like these: train the head alone"},
    {SizeClass::small, SimilarityClass::different, true,
     AugmentStrength::standard, 12000, 8, 20,
     "the last features were made for other pictures, but there are too few "
     "of these to train the early ones: train the last third"},
    {SizeClass::large, SimilarityClass::similar, true,
     AugmentStrength::standard, 60000, 4, 12,
     "there are enough pictures to adapt the last third without overfitting; "
     "the earlier features fit already"},
    {SizeClass::large, SimilarityClass::different, true,
     AugmentStrength::standard, 160000, 4, 10,
     "the last features were made for other pictures, and there are enough of "
     "these to retrain the last third"},
};

constexpr Cut kCuts[] = {{1, true, kSolvedViews, true, true},
                         {1, true, kSolvedViews, true},
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

std::string why_size(int64_t total, int64_t classes) {
  const int64_t each = total / std::max<int64_t>(classes, 1);
  return text(total, " training pictures, ", each, " a class; large is from ",
              kLargeTotal, " in all or ", kLargePerClass, " a class on");
}

/// What else is unlike the photographs of ImageNet; "" for nothing.
std::string what_kind(const Similarity& s) {
  constexpr double kMostlyGrey = 0.5, kEnlarged = 2;
  std::string out;
  if (s.grey >= kMostlyGrey)
    out += s.grey < 1 ? ", mostly without colour" : ", without colour";
  if (s.shorter_side > 0 && s.resized_side >= kEnlarged * s.shorter_side)
    out += text(", enlarged from ", s.shorter_side, " to ", s.resized_side,
                " pixels");
  return out;
}

/// hedged  the plan tries more than the verdict says
std::string why_similarity(const Similarity& s, bool hedged) {
  const int digits = telling_digits(s.value, s.border, 2, 5);
  const std::string value = spelled(s.value, digits),
                    border = spelled(s.border, digits);
  std::ostringstream out;
  const bool similar = s.verdict == SimilarityClass::similar;
  if (s.method == "given") return "given: --similarity";
  if (s.method == "batch_norm")
    out << "early features vary by a mean factor of e^" << value
        << " from the model's own pictures, " << (similar ? "at most" : "above")
        << " e^" << border;
  else
    out << "the original head's mean confidence is " << value << ", "
        << (similar ? "at least " : "below ") << border;
  out << " (" << s.images << " pictures" << what_kind(s) << ")";
  if (s.uncertain)
    out << "; near the border" << (hedged ? ", so both are allowed for" : "");
  return out.str();
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
                why_similarity(plan.similarity, inputs.evidence.measured()));
  const Quadrant& quadrant = find_quadrant(plan.size, plan.similarity.verdict);
  const Planning p{inputs, options, quadrant, cut, total, plan, decisions};
  decide_blocks(p, freeze_override);
  decide_epochs(p);
  decide_batch(p);
  decide_augment(p, augment);
  decide_views(p);
  decide_deeper(p);
  decide_statistics(p);
  decide_rates(p);
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
                             spelled(plan.seconds, plan.seconds < 10 ? 1 : 0),
                             " s"));
  return plan;
}

}  // namespace engraft
