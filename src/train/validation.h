#pragma once

#include <torch/types.h>

#include <functional>
#include <optional>

namespace engraft {

class BlockChain;
class CutFeatures;
class Stopwatch;
struct Tally;

/// How the validation pictures come out with the weights as they are. All zero
/// and undefined without such pictures.
struct Validation {
  double accuracy = 0, loss = 0;
  torch::Tensor logits;  ///< float32 [N, classes], CPU
  torch::Tensor labels;  ///< int64 [N]
  double seconds = 0;
};

/// What the model as it is says of the validation pictures, from what is
/// prepared of them on.
/// \param seen     called after each batch, with what was seen so far and
///                 since when
/// \param stopped  true ends it early: nullopt then
std::optional<Validation> validate(
    const BlockChain& chain, const CutFeatures& features,
    const std::function<void(const Tally&, const Stopwatch&)>& seen,
    const std::function<bool()>& stopped);

}  // namespace engraft
