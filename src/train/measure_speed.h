#pragma once

#include "engraft/data/image_folder.h"
#include "engraft/model/chain.h"
#include "engraft/options.h"
#include "engraft/policy/plan.h"

namespace engraft {

/// Times a few pictures through the loader, the frozen blocks and a training
/// step, for an estimate: about two seconds. Leaves the chain as it was.
/// spent  seconds that the run took so far
Speed measure_speed(BlockChain& chain, const InputSpec& input,
                    const std::vector<Sample>& samples, const RunOptions& run,
                    double spent);

/// Seconds a picture through all blocks but the head.
double time_inference(BlockChain& chain, const InputSpec& input,
                      const std::vector<Sample>& samples,
                      const RunOptions& run);

}  // namespace engraft
