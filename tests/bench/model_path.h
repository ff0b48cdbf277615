#pragma once

#include <cstdlib>
#include <string>

#include "engraft/model/classifier.h"

namespace engraft::bench {

/// $ENGRAFT_BENCH_MODEL, else the default model.
inline std::string model_path() {
  const char* named = std::getenv("ENGRAFT_BENCH_MODEL");
  return named && *named ? named : default_model_path();
}

}  // namespace engraft::bench
