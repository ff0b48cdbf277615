#include "train/validation.h"

#include <torch/nn/functional/loss.h>

#include <vector>

#include "engraft/model/chain.h"
#include "stopwatch.h"
#include "train/cut_features.h"
#include "train/tally.h"

namespace engraft {

std::optional<Validation> validate(
    const BlockChain& chain, const CutFeatures& features,
    const std::function<void(const Tally&, const Stopwatch&)>& seen,
    const std::function<bool()>& stopped) {
  Validation out;
  Batches& val = features.val();
  if (val.num_samples() == 0) return out;
  torch::NoGradGuard no_grad;
  Tally tally;
  std::vector<torch::Tensor> logits, labels;
  const Stopwatch watch;
  val.start_epoch(1);
  while (auto batch = val.next()) {
    if (stopped()) return std::nullopt;
    const auto given = chain
                           .run_frozen(batch->x.to(chain.device()),
                                       features.cut(), chain.num_blocks() + 1)
                           .cpu()
                           .to(torch::kFloat);
    tally.add(torch::nn::functional::cross_entropy(given, batch->labels)
                  .item<double>(),
              count_right(given, batch->labels), given.size(0));
    logits.push_back(given);
    labels.push_back(batch->labels);
    seen(tally, watch);
  }
  out.loss = tally.mean_loss();
  out.accuracy = tally.accuracy();
  out.logits = torch::cat(logits);
  out.labels = torch::cat(labels);
  out.seconds = features.val_fill_seconds() + watch.seconds();
  return out;
}

}  // namespace engraft
