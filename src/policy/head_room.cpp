#include "policy/head_room.h"

#include <algorithm>
#include <cmath>

#include "policy/training_pictures.h"
#include "policy/words.h"

namespace engraft {
namespace {

// Of what the head alone gets wrong, the share that training blocks wins.
constexpr double kShareSimilar = 0.15, kShareUncertain = 0.35,
                 kShareDifferent = 0.5;
// Few and many pictures that the head gets wrong. Where there were up to 40
// (ants and bees, brain scans, cut-outs, 200 clothes) more and larger steps
// brought nothing; where there were 80 and more (sign digits, 1000 clothes,
// 1500 pieces of rubbish) up to 3.6 points.
constexpr double kFewOpen = 40, kManyOpen = 120;
// Points of accuracy below which that is not worth its time.
constexpr double kWorthTraining = 0.005;

// What a head on the features of pictures like the model's own gets wrong is
// what looks like another class, and it is unsure there: 0.78 to 0.96 by two
// models (ants and bees, stamps, brain scans, figures of a game). Where labels
// are wrong it is as sure as elsewhere: of ants and bees with 5 to 30 % of them
// turned 0.54 to 0.69, and blocks that learned these by heart cost 0 to 3
// points (up to 10 %), 10 to 22 (20 and 30 %). On other pictures the same is a
// sign of features that say nothing, and blocks are what helps. Of fewer than
// ten errors it is chance.
constexpr double kBlindly = 0.7;
constexpr int64_t kFewestErrors = 10;

/// The head gets so many wrong that blocks have much to learn.
bool is_open(const PlanInputs& inputs) { return openness(inputs) >= 0.5; }

/// Of what the head alone gets wrong, the share that blocks win.
double share_won(const PlanInputs& inputs) {
  const bool similar = inputs.similarity.verdict == SimilarityClass::similar;
  return inputs.similarity.uncertain || (similar && is_open(inputs))
             ? kShareUncertain
         : similar ? kShareSimilar
                   : kShareDifferent;
}

}  // namespace

double open_pictures(const PlanInputs& inputs) {
  return inputs.evidence.error_in_all() * inputs.evidence.distinct *
         static_cast<double>(training_pictures(inputs));
}

double openness(const PlanInputs& inputs) {
  const double open = open_pictures(inputs);
  if (open <= kFewOpen) return 0;
  return std::min(std::log(open / kFewOpen) / std::log(kManyOpen / kFewOpen),
                  1.0);
}

bool errs_blindly(const PlanInputs& inputs) {
  const Evidence& e = inputs.evidence;
  const int64_t errors =
      std::llround(e.head_room() * static_cast<double>(e.pictures));
  return inputs.similarity.is_clearly(SimilarityClass::similar) &&
         errors >= kFewestErrors && e.probe_auroc.value_or(1) < kBlindly;
}

double expected_gain(const PlanInputs& inputs) {
  // To a tenth of a point, so that what is decided is what is printed.
  return std::round(1000 * share_won(inputs) * inputs.evidence.head_room()) /
         1000;
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

}  // namespace engraft
