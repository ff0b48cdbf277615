#pragma once

#include <cstdint>

#include "engraft/model/chain.h"

namespace engraft {

/// About how many multiplications blocks [begin, end) take for one picture:
/// every parameter once at each place of its block's output. Exact for plain
/// convolutions; too low where a block shrinks its pictures late.
double multiplications(const BlockChain& chain, int64_t begin, int64_t end);

}  // namespace engraft
