#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <set>

#include "engraft/model/ensemble.h"
#include "engraft/model/surgery.h"

namespace engraft {
namespace {

/// Old logits of the module itself against those of a chain built after the
/// head was replaced and put back.
double prove(Classifier& classifier) {
  auto generator = at::detail::createCPUGenerator(1);
  const int64_t side = classifier.input.crop;
  // The chain computes in this memory format; another one sums in another
  // order.
  const auto images = torch::randn({2, 3, side, side}, generator)
                          .contiguous(at::MemoryFormat::ChannelsLast);
  torch::NoGradGuard no_grad;
  const auto before =
      classifier.module.forward({images.clone()}).toTensor().clone();
  const OldHead old = replace_head(classifier, 7, 1);
  restore_head(classifier, old);
  const BlockChain chain(classifier);
  const auto after = chain.logits(images);
  return (after - before).abs().max().item<double>();
}

int64_t count_unique_parameters(const std::vector<BlockInfo>& blocks) {
  std::set<const void*> seen;
  int64_t count = 0;
  for (const BlockInfo& block : blocks)
    for (const NamedTensor& t : block.tensors)
      if (!t.is_buffer && seen.insert(t.tensor.unsafeGetTensorImpl()).second)
        count += t.tensor.numel();
  return count;
}

Json to_json(const BlockInfo& block) {
  return {{"name", block.name},
          {"parameters", block.num_parameters},
          {"batch_norms", block.batch_norms},
          {"layer_norms", block.layer_norms},
          {"dropouts", block.dropouts},
          {"output", block.output_size}};
}

}  // namespace

Inspection inspect_model(const std::string& path, const InputOptions& options) {
  const Classifier file = load_classifier(path, options);
  auto models =
      is_ensemble(file) ? members_of(file) : std::vector<Classifier>{file};
  Inspection out;
  for (Classifier& model : models)
    out.proof_difference = std::max(out.proof_difference, prove(model));
  const Classifier& classifier = models[0];
  const BlockChain chain(classifier);
  out.path = path;
  out.members = member_names(file);
  out.input = classifier.input;
  out.input_size = classifier.input.crop;
  out.head = chain.head();
  out.traced = classifier.traced;
  out.baked_modes = classifier.baked_modes;
  out.frozen_graph = classifier.frozen_graph;
  out.baked_batch_norms = classifier.baked_batch_norms;
  out.baked_dropouts = classifier.baked_dropouts;
  out.classes = file.classes;
  out.notes = classifier.notes;
  out.record = file.record;
  for (int64_t i = 0; i <= chain.num_blocks(); ++i) {
    out.blocks.push_back(chain.block(i));
    out.batch_norms += chain.block(i).batch_norms;
    out.dropouts += chain.block(i).dropouts;
  }
  out.num_parameters = count_unique_parameters(out.blocks);
  return out;
}

Json to_json(const Inspection& i) {
  Json blocks = Json::array();
  for (const BlockInfo& block : i.blocks) blocks.push_back(to_json(block));
  Json out = {{"model", i.path},
              {"form", i.frozen_graph ? "frozen"
                       : i.traced     ? "traced"
                                      : "scripted"},
              {"input", to_json(i.input)},
              {"input_source", i.input.source},
              {"head",
               {{"kind", std::string(name_of(i.head.kind))},
                {"weight", i.head.weight},
                {"bias", i.head.bias},
                {"features", i.head.features},
                {"classes", i.head.classes}}},
              {"parameters", i.num_parameters},
              {"batch_norms", i.batch_norms},
              {"dropouts", i.dropouts},
              {"modes_baked_in", i.baked_modes},
              {"batch_norms_in_train_mode", i.baked_batch_norms},
              {"dropouts_in_train_mode", i.baked_dropouts},
              {"proof_max_difference", i.proof_difference},
              {"blocks", blocks},
              {"classes", i.classes},
              {"notes", i.notes},
              {"record", i.record}};
  if (!i.members.empty()) out["members"] = i.members;
  return out;
}

}  // namespace engraft
