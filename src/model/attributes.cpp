#include "model/attributes.h"

#include <optional>
#include <utility>

namespace engraft {
namespace {

using torch::jit::Module;

/// The module that owns the last name of a path, and that name.
std::optional<std::pair<Module, std::string>> owner_of(
    const Module& root, const std::string& path) {
  Module module = root;
  size_t begin = 0;
  for (size_t dot = path.find('.'); dot != std::string::npos;
       dot = path.find('.', begin)) {
    const std::string name = path.substr(begin, dot - begin);
    if (!module.hasattr(name) || !module.attr(name).isModule())
      return std::nullopt;
    module = module.attr(name).toModule();
    begin = dot + 1;
  }
  return std::make_pair(module, path.substr(begin));
}

}  // namespace

torch::Tensor tensor_at(const Module& root, const std::string& path) {
  const auto owner = owner_of(root, path);
  if (!owner || !owner->first.hasattr(owner->second)) return {};
  const auto value = owner->first.attr(owner->second);
  return value.isTensor() ? value.toTensor() : torch::Tensor();
}

void set_tensor(const Module& root, const std::string& path,
                const torch::Tensor& tensor) {
  auto owner = owner_of(root, path);
  TORCH_CHECK(owner, path, " is no attribute of the model");
  owner->first.setattr(owner->second, tensor);
}

}  // namespace engraft
