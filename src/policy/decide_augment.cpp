#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "policy/head_room.h"
#include "policy/planning.h"

namespace engraft {
namespace {

// A mirror image, or another view, is something else from this statistic on,
// and from this loss of accuracy on. Standard views lose at most 2.5 points on
// photographs, 10 to 15 on sign digits and clothes of 28x28 pixels, which learn
// better from light ones (clothes, 200 pictures: by 3 to 4 points).
constexpr double kViewZ = 2, kFlipLoss = 0.02, kStandardLoss = 0.05;
// A probe that gets few pictures right tells more by its loss: 0.32 nats for
// letters, which light views taught 1.3 points more, 0.21 for CIFAR-10, where
// they made little difference; at most 0.03 on stamps, ants and bees.
constexpr double kStandardNats = 0.15, kStandardLossZ = 2.5;
// Networks are taught that mirror images are the same, so that the last
// features hardly tell them apart even where it is wrong: what they were before
// does. After two thirds of the blocks, mirror images cost a probe 0.23 to 0.65
// nats at 4.6 standard errors or more for digits, letters and hand signs, by
// two models, and less on eight other sets: clothes 0.09 at most, figures that
// all look to one side 0.13 at 2.8. Digits are learned 1.5 to 4 points better
// without, hand signs and letters 1 to 2, clothes neither better nor worse.
constexpr double kFlipNats = 0.15, kFlipLossZ = 3;

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

/// Whether views cost a probe so much more loss, and that not by chance.
bool is_dearer(const ViewProbe& probe, double nats, double z) {
  return probe.loss_gain >= nats && probe.loss_z >= z;
}

std::string loss_text(const ViewProbe& probe) {
  return text("at a loss that is higher by ", rounded(probe.loss_gain), " (",
              rounded(probe.loss_z), " standard errors)");
}

/// Turns mirror images off where they are something else, to the last features
/// or to those from which blocks learn.
AugmentOptions decide_flips(const Planning& p, const AugmentOptions& augment,
                            AugmentStrength strength) {
  AugmentOptions out = augment;
  const auto& flips = p.inputs.evidence.flips;
  if (flips.empty() || flips.back().pictures == 0 || !augment.flip) return out;
  const ViewProbe& last = flips.back();
  const auto found = std::ranges::find_if(flips, [](const ViewProbe& flip) {
    return is_dearer(flip, kFlipNats, kFlipLossZ);
  });
  const bool dearer = found != flips.end();
  out.flip = !dearer && !loses_class(last, kFlipLoss);
  if (strength == AugmentStrength::none) return out;  // nothing is mirrored
  const ViewProbe& shown = dearer ? *found : last;
  const bool earlier = shown.cut < last.cut;
  const bool fewer = shown.accuracy - shown.view_accuracy >= kFlipLoss;
  p.decisions.add(
      "flip", out.flip ? "yes" : "no",
      text(earlier ? text("a probe after block ", shown.cut - 1)
                   : std::string("the head"),
           " gets ", points(shown.view_accuracy), " % of ", shown.pictures,
           " mirrored pictures right, and ", points(shown.accuracy),
           " % as they are", dearer ? ", " + loss_text(shown) : "",
           earlier     ? ": they are something else, though later blocks were "
                         "taught to take them for the same"
           : !out.flip ? ": they are something else"
           : fewer     ? ": as many by chance, so they count as the same"
                       : ": they keep their class"));
  return out;
}

/// Whether standard views take the class away.
bool takes_class_away(const ViewProbe& standard) {
  return loses_class(standard, kStandardLoss) ||
         is_dearer(standard, kStandardNats, kStandardLossZ);
}

/// Light views where the standard ones show something else.
/// probe  of standard views; null where none was looked at
AugmentStrength decide_strength(const Planning& p,
                                const AugmentOptions& augment,
                                AugmentStrength own, const ViewProbe* probe) {
  std::string why = "random views stand for pictures that are not there";
  if (probe) {
    const bool light = takes_class_away(*probe);
    const bool fewer = probe->accuracy - probe->view_accuracy >= kStandardLoss;
    if (light) own = AugmentStrength::light;
    why = text("the head gets ", points(probe->view_accuracy), " % of ",
               probe->pictures, " pictures right by their standard views, ",
               points(probe->accuracy), " % as they are",
               is_dearer(*probe, kStandardNats, kStandardLossZ)
                   ? ", " + loss_text(*probe)
                   : "",
               ": ",
               light   ? "so much is lost on them that light ones are better"
               : fewer ? "as many by chance, so they stand for pictures that "
                         "are not there"
                       : "they keep their class, and stand for pictures that "
                         "are not there");
  }
  return p.decisions.decide("augment", augment.augment, own, why);
}

/// Of a test, and why: none by views that take the class away.
std::pair<int64_t, std::string_view> own_crops(bool centre_alone, bool flip) {
  if (centre_alone)
    return {kCentreCrop, "the centre, where others would not see all of it"};
  if (!flip) return {kFiveCrops, "corners and centre, no mirror images"};
  return {kTenCrops, ""};  // the usual ones
}

void decide_test_crops(const Planning& p, bool flip, const ViewProbe* probe) {
  const auto [own, why] = own_crops(probe && takes_class_away(*probe), flip);
  p.plan.own_crops = own;
  p.plan.test_crops = p.inputs.test_crops.value_or(own);
  if (p.inputs.test_crops)
    p.decisions.add("test crops", text(p.plan.test_crops), "given: --crops");
  else if (!why.empty())
    p.decisions.add("test crops", text(own), std::string(why));
}

}  // namespace

void decide_augment(const Planning& p, const AugmentOptions& augment) {
  const ViewProbe* standard =
      find_view(p.inputs.evidence.views, name_of(AugmentStrength::standard));
  const AugmentStrength strength =
      decide_strength(p, augment, p.quadrant.augment, standard);
  const AugmentOptions flipped = decide_flips(p, augment, strength);
  p.plan.augment = augment_settings(strength, flipped);
  decide_test_crops(p, flipped.flip, standard);
}

}  // namespace engraft
