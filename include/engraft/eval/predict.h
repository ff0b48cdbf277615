#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engraft/options.h"

namespace engraft {

/// What a model says of one picture.
struct Prediction {
  struct Score {
    int64_t index;
    std::string name;  ///< the class, or its number where none is named
    double probability;
  };
  std::string path;
  std::vector<Score> top;  ///< likeliest first; empty when unreadable
  std::string error;       ///< why it could not be read; else ""
};

/// Streams options.paths through the model; calls back once a picture, in the
/// order of the input, also for unreadable ones. Returns how many of them
/// could not be read.
int64_t predict(const PredictOptions& options,
                const std::function<void(const Prediction&)>& each);

}  // namespace engraft
