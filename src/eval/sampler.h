#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engraft/eval/options.h"
#include "eval/tested_model.h"

namespace engraft {

/// Runs a model again and again with what is random in it (Gal & Ghahramani
/// 2016). That is, unless the options ask for other noise, what its record says
/// that it was trained with, in the blocks that were trained; noise that they
/// ask for falls on all blocks, and a model without a record has its own.
class Sampler {
 public:
  /// Regularises the model's chain, which must outlive the sampler, and seeds
  /// LibTorch's default generator, from which the masks come.
  /// Throws Error(Fault::usage) when nothing in the model is random, or not
  /// what the options ask for; Error(Fault::model) for a damaged record.
  Sampler(TestedModel& model, const SamplingOptions& options, int64_t seed);

  /// What comes before this block is the same in all samples.
  int64_t first() const { return first_; }

  /// Log probabilities of each sample, averaged over the views of a picture
  /// with one mask a view: float64 [samples, N, C] on the CPU.
  /// x  what block first() - 1 gives for N pictures in V views, [N * V, ...]
  torch::Tensor sample(const torch::Tensor& x, int64_t pictures,
                       CropAverage average) const;

  /// As asked for or recorded.
  const SamplingOptions& noise() const { return noise_; }
  /// The same in words, and where it falls.
  std::string text() const;

 private:
  const BlockChain& chain_;
  SamplingOptions noise_;
  int64_t begin_ = 0, first_ = 0;
};

/// Throws Error(Fault::usage) when `path` turned out to hold several models.
void check_one_model(const std::vector<TestedModel>& models,
                     const std::string& path);

}  // namespace engraft
