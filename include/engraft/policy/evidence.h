#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "engraft/data/image_folder.h"
#include "engraft/features/activations.h"
#include "engraft/json.h"
#include "engraft/model/chain.h"
#include "engraft/policy/similarity.h"

namespace engraft {

/// A linear probe on the mean over places of what the blocks in front of a cut
/// give: a softmax regression, cross-validated on training pictures.
struct DepthProbe {
  int64_t cut = 0;
  int64_t features = 0;
  double accuracy = 0, loss = 0;  ///< of held-out pictures
};

/// The probe of the last features, learned from part of the pictures.
struct CurvePoint {
  int64_t pictures = 0;
  double accuracy = 0, loss = 0;  ///< of held-out pictures, all of them
};

/// Whether pictures keep their class when they are mirrored or augmented: what
/// a probe makes of both, on pictures that it has not learned from.
struct ViewProbe {
  std::string kind;  ///< "horizontal"; an AugmentStrength's name
  int64_t cut = 0;   ///< blocks whose features the probe reads
  int64_t pictures = 0;
  double accuracy = 0;       ///< of the pictures as they are
  double view_accuracy = 0;  ///< of their views
  /// One-sided McNemar statistic of the loss of accuracy; above about 2 the
  /// view is something else to the model.
  double z = 0;
  /// Mean loss of the views over that of the pictures as they are, nats; and
  /// the same over its own standard error.
  double loss_gain = 0, loss_z = 0;
};

/// What a sample of the training pictures says about how to train: numbers
/// only, no tensor. Nothing here has seen a validation or test picture.
struct Evidence {
  int64_t pictures = 0;  ///< looked at; 0 when nothing was measured
  /// Training pictures that they were drawn from, copies counted once.
  int64_t drawn_from = 0;
  int64_t classes = 0;
  /// Share of all training pictures that is left when copies and
  /// near-duplicates count once.
  double distinct = 1;
  std::vector<DepthProbe> depths;  ///< front to back; the last: all blocks
  std::vector<CurvePoint> curve;   ///< fewer to more pictures
  double accuracy_error = 0;  ///< standard error of the last probe's accuracy
  /// Share of held-out pictures that it gets wrong where classes have their
  /// shares of all training pictures; NaN: unknown.
  double weighted_error = std::numeric_limits<double>::quiet_NaN();
  /// Probability that it is surer of a held-out picture that it gets right than
  /// of one that it gets wrong, sureness being the largest probability that it
  /// gives (Hendrycks & Gimpel 2017). Near 0.5 the errors are no harder
  /// pictures than others; unset where all are right or all wrong.
  std::optional<double> probe_auroc;
  /// "horizontal", front to back: of the features near two thirds of the depth,
  /// from where on blocks learn, and of the last ones.
  std::vector<ViewProbe> flips;
  std::vector<ViewProbe> views;  ///< "standard": random ones, not mirrored
  double log_me = 0;             ///< of the last features (You et al. 2021)
  double leep = 0;  ///< of the original head (Nguyen et al. 2020); 0: unknown
  double confidence = 0, entropy = 0;  ///< mean, of the original head; nats

  bool measured() const { return !depths.empty(); }
  double accuracy() const { return measured() ? depths.back().accuracy : 0; }
  /// Share of held-out pictures that the probe gets wrong.
  double head_room() const { return measured() ? 1 - accuracy() : 0; }
  /// How many times as many pictures there are as were looked at.
  double times_more() const;
  /// Exponent b of error = a n^-b, fitted to the curve; 0 for a flat one.
  double growth() const;
  /// What the curve says of the error with `times` as many pictures.
  double error_with(double times) const;
  /// The share of all training pictures that a head which learns from all of
  /// them would get wrong, were they held out.
  double error_in_all() const;
};

Json to_json(const Evidence& evidence);

struct EvidenceOptions {
  InputSpec input;
  int64_t threads = 0;
  InferenceKind inference = InferenceKind::automatic;
  CacheOptions cache;
  std::string model, data;    ///< for people who look into the cache
  int64_t most_pictures = 0;  ///< to look at; 0: evidence_pictures()
};

/// Of more classes than these nothing is measured: the probes would take
/// minutes.
inline constexpr int64_t kMostProbedClasses = 2000;

/// Pictures that measuring looks at: 1000, fewer for a model so heavy that
/// they would take long, but 256, and five in a class where that is no more
/// than 1000. Of very many classes two each, up to 4000.
int64_t evidence_pictures(const BlockChain& chain, int64_t classes);

/// Last features that measuring came by, for who needs them next.
struct KnownFeatures {
  std::vector<Sample> samples;
  torch::Tensor rows;  ///< float32 [samples, features]; undefined for none
};

struct EvidenceResult {
  Evidence evidence;
  KnownFeatures features;  ///< evaluation views
  /// How the blocks were computed; none where the cache had the evidence.
  std::optional<PrefixChoice> inference;
};

/// Looks at up to evidence_pictures() training pictures, evenly over the
/// classes: one pass through all blocks, with probes at some depths on the way,
/// and a second one over mirror images of some. A function of the pictures and
/// the model; kept in the cache, and without features where it is found there.
/// The chain must still have its original head. Near-duplicates are held out
/// together, unless they are most of their class. Nothing is measured
/// (Evidence::measured() is false) where there are not two pictures in each of
/// two classes and as many on average, or no block to cut behind.
EvidenceResult measure_evidence(const BlockChain& chain,
                                const ImageFolder& folder,
                                const EvidenceOptions& options,
                                const Activations::Progress& progress = {},
                                const std::function<bool()>& stop = {});

}  // namespace engraft
