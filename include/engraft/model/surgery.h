#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engraft/model/chain.h"
#include "engraft/model/classifier.h"

namespace engraft {

/// What was taken out, to be put back for the proof.
struct OldHead {
  HeadInfo info;
  torch::Tensor weight, bias;  ///< bias undefined when there is none
};

/// Puts a new final layer for `num_classes` into the module: weight drawn from
/// N(0, 0.01^2) with `seed` (the usual choice for a fine-tuned layer), bias
/// zero (only where the old one had one). Every other tensor keeps its bits.
/// Chains built before keep the old head: build a new one.
/// Throws Error(Fault::model) when there is no final layer, or its weight is
/// also used elsewhere in the model.
OldHead replace_head(Classifier& classifier, int64_t num_classes,
                     uint64_t seed);
/// The same for a head that a chain of this classifier has found already.
OldHead replace_head(Classifier& classifier, const HeadInfo& head,
                     int64_t num_classes, uint64_t seed);

/// Undoes replace_head.
void restore_head(Classifier& classifier, const OldHead& old);

/// Everything that `engraft inspect MODEL` says.
struct Inspection {
  std::string path;
  int64_t input_size = 0;
  InputSpec input;
  HeadInfo head;
  bool traced = false, baked_modes = false, frozen_graph = false;
  int64_t batch_norms = 0, dropouts = 0;
  int64_t baked_batch_norms = 0, baked_dropouts = 0;
  int64_t num_parameters = 0;
  std::vector<BlockInfo> blocks;  ///< the head last
  std::vector<std::string> classes, notes;
  /// Of an ensemble, what was combined. What is said of blocks, layers and
  /// parameters is then of the first; all have the same.
  std::vector<std::string> members;
  Json record;
  /// Largest absolute difference between the logits of the module as it was
  /// loaded and of the chain after its head was replaced and put back.
  double proof_difference = 0;
};

/// Loads the file, looks at it and runs the proof.
Inspection inspect_model(const std::string& path, const InputOptions& options);

Json to_json(const Inspection& inspection);

}  // namespace engraft
