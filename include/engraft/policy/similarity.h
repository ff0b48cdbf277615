#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "engraft/data/image_folder.h"
#include "engraft/json.h"
#include "engraft/model/chain.h"
#include "engraft/options.h"

namespace engraft {

/// How like the model's pretraining pictures a set of pictures is, measured
/// without labels. A plain value.
struct Similarity {
  SimilarityClass verdict = SimilarityClass::similar;
  std::string method;  ///< "batch_norm", "confidence" or "given"
  /// batch_norm: mean |log(variance of this data's BatchNorm inputs / running
  /// variance)| over channels and layers of the first third of the depth.
  /// confidence: mean largest probability of the original head.
  double value = 0;
  double border = 0;  ///< verdict changes here
  /// Of `value`, over pictures (jackknife by eighths of them).
  double standard_error = 0;
  /// On both sides of the border, where kinds of pictures lie side by side.
  double band = 0;
  /// The border is within two standard errors, or within the band.
  bool uncertain = false;
  double confidence = 0;  ///< mean largest probability; 0 when not measured
  int64_t images = 0;     ///< pictures looked at
  /// Of these, the median shorter side in pixels (0 when unknown), what the
  /// model's preprocessing brings it to, and the share without colour.
  double shorter_side = 0, resized_side = 0, grey = 0;

  /// Of this verdict, and not near the border.
  bool is_clearly(SimilarityClass kind) const {
    return verdict == kind && !uncertain;
  }

  /// Of this verdict, by the band and two standard errors together, or because
  /// it was said.
  bool is_far(SimilarityClass kind) const {
    return is_clearly(kind) &&
           (method == "given" ||
            std::abs(value - border) >= band + 2 * standard_error);
  }
};

/// Looks at up to `max_images` training pictures (evenly over the classes),
/// centre crop. The chain must still have its original head.
/// cache  folder in which what was measured is found again for the same model,
///        preprocessing and pictures; "" for none
Similarity measure_similarity(const BlockChain& chain, const InputSpec& input,
                              const ImageFolder& folder, int64_t threads,
                              const std::string& cache = "",
                              int64_t max_images = 64);

Json to_json(const Similarity& similarity);

}  // namespace engraft
