#include "engraft/model/surgery.h"

#include "model/attributes.h"

namespace engraft {
OldHead replace_head(Classifier& classifier, int64_t num_classes,
                     uint64_t seed) {
  return replace_head(classifier, BlockChain(classifier).head(), num_classes,
                      seed);
}

OldHead replace_head(Classifier& classifier, const HeadInfo& head,
                     int64_t num_classes, uint64_t seed) {
  TORCH_CHECK(num_classes > 0, "a head of ", num_classes, " classes");
  OldHead old{head, {}, {}};
  if (old.info.shared)
    fail(Fault::model, classifier.path, ": the final layer's weight '",
         old.info.weight, "' is also used elsewhere in the model, so it ",
         "cannot be replaced");
  old.weight = tensor_at(classifier.module, old.info.weight);
  auto shape = old.weight.sizes().vec();
  shape[old.info.input_major ? 1 : 0] = num_classes;
  auto generator = at::detail::createCPUGenerator(seed);
  const auto weight = (torch::randn(shape, generator) * 0.01)
                          .to(old.weight.device())
                          .requires_grad_(old.weight.requires_grad());
  set_tensor(classifier.module, old.info.weight, weight);
  if (!old.info.bias.empty()) {
    old.bias = tensor_at(classifier.module, old.info.bias);
    set_tensor(classifier.module, old.info.bias,
               torch::zeros({num_classes}, old.bias.options().requires_grad(
                                               old.bias.requires_grad())));
  }
  classifier.classes.clear();
  return old;
}

void restore_head(Classifier& classifier, const OldHead& old) {
  set_tensor(classifier.module, old.info.weight, old.weight);
  if (old.bias.defined())
    set_tensor(classifier.module, old.info.bias, old.bias);
}

}  // namespace engraft
