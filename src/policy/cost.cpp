#include "engraft/policy/cost.h"

#include <c10/util/accumulate.h>

#include "model/taps.h"

namespace engraft {

double multiplications(const BlockChain& chain, int64_t begin, int64_t end) {
  double out = 0;
  for (int64_t i = begin; i < end; ++i) {
    const auto elements = c10::multiply_integers(chain.block(i).output_size);
    const auto places = static_cast<double>(elements) /
                        static_cast<double>(tap_width(chain, i + 1));
    out += places * static_cast<double>(chain.block(i).num_parameters);
  }
  return out;
}

}  // namespace engraft
