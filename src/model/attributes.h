#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

namespace engraft {

/// The tensor at a dotted path of attributes, "layer1.0.conv1.weight".
/// Undefined where there is none.
torch::Tensor tensor_at(const torch::jit::Module& root,
                        const std::string& path);

/// Puts another one there; the path exists.
void set_tensor(const torch::jit::Module& root, const std::string& path,
                const torch::Tensor& tensor);

}  // namespace engraft
