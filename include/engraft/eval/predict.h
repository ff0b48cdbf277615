#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engraft/eval/options.h"
#include "engraft/json.h"

namespace engraft {

/// What a model says of one picture.
struct Prediction {
  struct Score {
    int64_t index;
    std::string name;  ///< the class, or its number where none is named
    double probability;
    /// Standard deviation of the probability over sampled masks.
    std::optional<double> spread = {};
  };
  std::string path;
  std::vector<Score> top;  ///< likeliest first; empty when unreadable
  std::string error;       ///< why it could not be read; else ""
  /// Of sampled masks, whose mean `top` then is: see SampledPrediction.
  std::optional<double> entropy = {}, mutual_information = {};
};

/// Streams options.paths through the model; calls back once a picture, in the
/// order of the input, also for unreadable ones, and `note` with what is worth
/// saying to a person, as files in folders that are not pictures. Returns how
/// many pictures could not be read. Throws Error(Fault::data) when there is no
/// picture at all.
int64_t predict(const PredictOptions& options,
                const std::function<void(const Prediction&)>& each,
                const EvalNote& note = {});

/// path, class, probability (of the likeliest) and top, a list of {class,
/// index, probability}; or path and error. Of sampled masks there is spread
/// beside each probability, entropy and mutual_information.
Json to_json(const Prediction& prediction);

}  // namespace engraft
