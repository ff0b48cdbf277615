#include <c10/util/accumulate.h>

#include <filesystem>

#include "engraft/model/surgery.h"
#include "engraft/policy/cost.h"
#include "engraft/train/trainer.h"
#include "train/measure_speed.h"
#include "train/phase_clock.h"
#include "train/solved_head.h"

namespace engraft {
namespace {

PlanInputs plan_inputs(const BlockChain& chain, const ImageFolder& folder,
                       bool frozen_graph) {
  PlanInputs inputs;
  inputs.images_per_class = folder.counts(folder.train);
  inputs.num_blocks = chain.num_blocks();
  inputs.frozen_graph = frozen_graph;
  inputs.val_pictures = std::ssize(folder.val);
  inputs.test_pictures = std::ssize(folder.test);
  for (int64_t i = 0; i < chain.num_blocks(); ++i) {
    inputs.block_parameters.push_back(chain.block(i).num_parameters);
    inputs.block_work.push_back(multiplications(chain, i, i + 1));
    inputs.block_outputs.push_back(
        c10::multiply_integers(chain.block(i).output_size));
    inputs.batch_norms.push_back(chain.batch_norm_momenta(i, i + 1));
    inputs.layer_norms.push_back(chain.block(i).layer_norms);
  }
  return inputs;
}

/// Half of what the cache may grow to, and of what its disk has left.
int64_t cache_bytes(const CacheOptions& options) {
  std::error_code error;
  std::filesystem::path place = cache_folder(options);
  if (place.empty()) place = std::filesystem::temp_directory_path(error);
  while (!std::filesystem::exists(place, error) && place.has_relative_path())
    place = place.parent_path();
  const auto room = std::filesystem::space(place, error).available;
  const auto limit = static_cast<int64_t>(options.cache_limit * 1e9);
  return (error ? limit
                : std::min<int64_t>(limit, static_cast<int64_t>(room))) /
         2;
}

/// only_head  nothing but the head would be trained by itself
void refuse_frozen_graph(const Classifier& classifier, int64_t blocks,
                         int64_t freeze_override, bool only_head) {
  if (!classifier.frozen_graph || freeze_override == blocks) return;
  if (only_head && freeze_override < 0) return;
  fail(Fault::model, classifier.path,
       ": a frozen graph: its weights are constants with BatchNorm folded in, "
       "so its backbone cannot be trained. Export the model without "
       "torch.jit.freeze, or train the head alone with --freeze-until all");
}

/// `--optimizer lbfgs` where it cannot be kept to.
void refuse_lbfgs(const BlockChain& chain, bool linear,
                  int64_t freeze_override) {
  if (!linear)
    fail(Fault::usage,
         "--optimizer lbfgs solves for a linear layer, and the head of this "
         "model is more than that; --optimizer adam trains it");
  if (freeze_override < 0 || freeze_override == chain.num_blocks()) return;
  int64_t parameters = 0;
  for (int64_t i = freeze_override; i < chain.num_blocks(); ++i)
    parameters += chain.block(i).num_parameters;
  fail(Fault::usage,
       "--optimizer lbfgs looks at all pictures at each step, so it solves for "
       "the head alone, on features that are computed once; --freeze-until "
       "leaves ",
       parameters,
       " weights of blocks before it. Give --freeze-until all, or --optimizer "
       "auto, which trains them too");
}

void check_trainable(const ImageFolder& folder) {
  if (folder.train.empty())
    fail(Fault::data, folder.root, ": no training pictures");
  if (folder.num_classes() < 2)
    fail(Fault::data, folder.root, ": has one class ('",
         folder.classes.empty() ? "" : folder.classes[0],
         "'); telling classes apart takes two: add a folder");
}

/// Measures the evidence.
void look_closer(const PlanCommandOptions& options,
                 const TrainCallbacks& callbacks, int64_t most_pictures,
                 BlockChain& chain, torch::Device device, PlanInputs& inputs,
                 PlanResult& out) {
  EvidenceOptions wanted;
  wanted.input = out.classifier.input;
  wanted.threads = options.run.threads;
  wanted.inference = options.run.inference;
  wanted.cache = options.cache;
  wanted.model = out.model;
  wanted.data = options.data;
  wanted.most_pictures = most_pictures;
  chain.to(device);
  const auto progress = [&](int64_t done, int64_t all) {
    if (!callbacks.progress) return;
    TrainProgress p;
    p.phase = "similarity";
    p.images = done;
    p.images_in_epoch = all;
    callbacks.progress(p);
  };
  EvidenceResult seen =
      measure_evidence(chain, out.folder, wanted, progress, callbacks.stop);
  chain.to(torch::kCPU);
  inputs.evidence = std::move(seen.evidence);
  out.known = std::move(seen.features);
  out.inference = std::move(seen.inference);
}

}  // namespace

PlanResult make_plan(const PlanCommandOptions& options,
                     const TrainCallbacks& callbacks, const PlannedRun& run) {
  options.validate();
  const torch::Device device = resolve_device(options.run.device);
  PlanResult out;
  PhaseClock clock(out.phases);
  out.model = options.model.empty() ? default_model_path() : options.model;
  out.classifier = load_classifier(out.model, options.input);
  clock.end("load");
  out.folder = run.found ? *run.found
                         : scan_image_folder(options.data, options.data_options,
                                             options.run.threads,
                                             cache_folder(options.cache));
  clock.end("scan");
  check_trainable(out.folder);
  BlockChain chain(out.classifier);
  out.head = chain.head();
  clock.end("cut");
  const bool linear = has_linear_head(chain);
  const bool only_head = run.optimizer == OptimizerKind::lbfgs;
  const int64_t freeze_override =
      options.plan.freeze_until == "auto"
          ? -1
          : chain.find_block(options.plan.freeze_until);
  refuse_frozen_graph(out.classifier, chain.num_blocks(), freeze_override,
                      only_head);
  if (only_head) refuse_lbfgs(chain, linear, freeze_override);
  PlanInputs inputs =
      plan_inputs(chain, out.folder, out.classifier.frozen_graph);
  inputs.cache_bytes = cache_bytes(options.cache);
  inputs.solved_head =
      linear && (run.optimizer == OptimizerKind::automatic || only_head);
  inputs.only_head = only_head;
  inputs.test_crops = run.crops;
  inputs.bn_statistics = run.bn_statistics;
  inputs.balanced = run.class_weights == ClassWeights::balanced;
  if (!options.plan.similarity) {
    if (callbacks.progress) {
      TrainProgress p;
      p.phase = "similarity";
      callbacks.progress(p);
    }
    chain.to(device);
    inputs.similarity =
        measure_similarity(chain, out.classifier.input, out.folder,
                           options.run.threads, cache_folder(options.cache));
    chain.to(torch::kCPU);
  }
  clock.end("similarity");
  if (options.plan.freeze_until == "auto" && !out.classifier.frozen_graph)
    look_closer(options, callbacks, run.most_pictures, chain, device, inputs,
                out);
  clock.end("evidence");
  inputs.seconds = parse_duration(options.plan.time);
  if (inputs.seconds > 0) {
    chain.to(device);
    inputs.speed = measure_speed(chain, out.classifier.input, out.folder.train,
                                 options.run, clock.total());
    chain.to(torch::kCPU);
    clock.end("speed");
  }
  out.plan =
      choose_plan(inputs, options.plan, options.augment, freeze_override);
  return out;
}

Json to_json(const PlanResult& r) {
  return {{"model", r.model},
          {"data", to_json(r.folder)},
          {"plan", to_json(r.plan)},
          {"notes", r.classifier.notes}};
}

}  // namespace engraft
