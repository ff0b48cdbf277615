#include <algorithm>
#include <string>
#include <string_view>

#include "policy/head_room.h"
#include "policy/planning.h"

namespace engraft {
namespace {

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
AugmentOptions decide_flips(const Planning& p, const AugmentOptions& augment,
                            AugmentStrength strength) {
  AugmentOptions out = augment;
  const ViewProbe* probe = find_view(p.inputs.evidence.flips, "horizontal");
  if (!probe || !augment.flip) return out;
  const bool dearer =
      probe->loss_gain >= kFlipNats && probe->loss_z >= kFlipLossZ;
  out.flip = !dearer && !loses_class(*probe, kFlipLoss);
  if (strength == AugmentStrength::none) return out;  // nothing is mirrored
  const bool fewer = probe->accuracy - probe->view_accuracy >= kFlipLoss;
  p.decisions.add(
      "flip", out.flip ? "yes" : "no",
      text("the head gets ", points(probe->view_accuracy), " % of ",
           probe->pictures, " mirrored pictures right",
           dearer ? text(", at a loss that is higher by ",
                         rounded(probe->loss_gain), " (",
                         rounded(probe->loss_z), " standard errors),")
                  : std::string(","),
           " and ", points(probe->accuracy), " % as they are",
           !out.flip ? ": they are something else"
           : fewer   ? ": as many by chance, so they count as the same"
                     : ": they keep their class"));
  return out;
}

/// Light views where the standard ones show something else.
AugmentStrength decide_strength(const Planning& p,
                                const AugmentOptions& augment,
                                AugmentStrength own) {
  std::string why =
      "random crops, mirror images and colours stand for pictures that are not "
      "there";
  if (const ViewProbe* probe = find_view(p.inputs.evidence.views,
                                         name_of(AugmentStrength::standard))) {
    const bool light = loses_class(*probe, kStandardLoss);
    const bool fewer = probe->accuracy - probe->view_accuracy >= kStandardLoss;
    if (light) own = AugmentStrength::light;
    why = text("the head gets ", points(probe->view_accuracy), " % of ",
               probe->pictures, " pictures right by their standard views, ",
               points(probe->accuracy), " % as they are: ",
               light   ? "so much is lost on them that light ones are better"
               : fewer ? "as many by chance, so they stand for pictures that "
                         "are not there"
                       : "they keep their class, and stand for pictures that "
                         "are not there");
  }
  return p.decisions.decide("augment", augment.augment, own, why);
}

/// No test by views that take the class away; flip as decide_flips has it.
int64_t decide_test_crops(const Planning& p, bool flip) {
  if (p.inputs.test_crops) {
    p.decisions.add("test crops", text(*p.inputs.test_crops), "given: --crops");
    return *p.inputs.test_crops;
  }
  const ViewProbe* standard =
      find_view(p.inputs.evidence.views, name_of(AugmentStrength::standard));
  if (standard && loses_class(*standard, kStandardLoss)) {
    p.decisions.add("test crops", "1",
                    "the centre, where others would not see all of it");
    return kCentreCrop;
  }
  if (flip) return kTenCrops;
  p.decisions.add("test crops", "5", "corners and centre, no mirror images");
  return kFiveCrops;
}

}  // namespace

void decide_augment(const Planning& p, const AugmentOptions& augment) {
  const AugmentStrength strength =
      decide_strength(p, augment, p.quadrant.augment);
  const AugmentOptions flipped = decide_flips(p, augment, strength);
  p.plan.augment = augment_settings(strength, flipped);
  p.plan.test_crops = decide_test_crops(p, flipped.flip);
}

}  // namespace engraft
