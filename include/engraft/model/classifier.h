#pragma once

#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <string>
#include <vector>

#include "engraft/json.h"
#include "engraft/model/input_spec.h"

namespace engraft {

struct LoweredGraph;

/// A TorchScript image classifier in eval mode, with what is known about it.
///
/// Its forward is normalised on loading so that it takes one float32
/// [N, 3, H, W] and returns logits [N, classes]: modes that tracing baked in
/// are set to evaluation, a main output is taken out of a tuple or dict,
/// softmax and log_softmax at the end are cut off. Each is said in `notes`.
/// Copies share the tensors.
struct Classifier {
  torch::jit::Module module;
  InputSpec input;
  std::vector<std::string> classes;  ///< empty when nobody named them
  Json record;                       ///< engraft.json; null for foreign models
  std::string path;
  bool traced = false;
  /// Modes that tracing had baked in: batch norms and dropouts in train mode.
  int64_t baked_batch_norms = 0, baked_dropouts = 0;
  bool baked_modes = false;  ///< flags are constants, not `self.training`
  /// Weights are constants of the graph (torch.jit.freeze): only the head can
  /// be trained.
  bool frozen_graph = false;
  std::vector<std::string> notes;
  /// What loading made of `module`, for the chain; none where loading changed
  /// the module after that. Who replaces tensors need not care.
  std::shared_ptr<const LoweredGraph> lowered;
};

/// Whether loading tries the model on one image of the size that its
/// preprocessing names, and looks for another where it fails. A file of ours
/// was tried when it was saved. `skip` is for who notices a failure himself.
enum class SizeCheck { run, skip };

/// Loads and normalises a model; `input` comes from engraft.json inside, the
/// sidecar <model>.json, the convention, in this order, and `options` over it.
/// Throws Error(Fault::io) when the file is missing or unreadable and
/// Error(Fault::model) when it is no TorchScript, does not take one image,
/// has integer (quantized) weights or is of a newer engraft format.
Classifier load_classifier(const std::string& path,
                           const InputOptions& options = {},
                           SizeCheck check = SizeCheck::run);

/// Wraps a module that is in memory already (tests, other programs).
Classifier make_classifier(torch::jit::Module module,
                           const InputSpec& input = {});

/// Path of the model that is used when none is named: $ENGRAFT_MODEL, then
/// models/efficientnet_lite0.pt beside the folder of the executable, then
/// share/engraft/models/ of the installation.
/// Throws Error(Fault::model) that says how to get it.
std::string default_model_path();

/// Writes module and `record` (as engraft.json) to a temporary file beside
/// `path`, fsyncs and renames: `path` is whole or untouched.
/// Throws Error(Fault::io) with the system's reason; nothing is left behind.
void save_classifier(const Classifier& classifier, const std::string& path);

/// Bytes written atomically as save_classifier does it.
void write_atomically(const std::string& path, const std::string& bytes);

/// As save_classifier; where `path` cannot be written, the file goes to the
/// system's folder for temporary files instead, and the Error(Fault::io) that
/// is thrown names it: training is not lost to a full disk.
void save_or_rescue(const Classifier& classifier, const std::string& path);

/// Throws Error(Fault::io) when `path` could not be written later: missing
/// folder, no permission, less than `bytes` of room. Called before hours of
/// training.
void check_writable(const std::string& path, uint64_t bytes = 0);

/// "cpu", "cuda:0": auto takes CUDA where LibTorch and the machine have it.
/// Throws Error(Fault::usage) for a device that is not there.
torch::Device resolve_device(const std::string& name);

}  // namespace engraft
