#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

namespace engraft::tiny {

/// A model around the steps that a test writes: a stem of a convolution and
/// ReLU gives `a` [N, 8, 16, 16], `source` (TorchScript, indented by two
/// blanks) makes another [N, 8, H, W] or [N, 8] of it, the mean over H and W
/// and a linear layer end it. Parameters: w3 and v3 [8, 8, 3, 3], w1 and v1
/// [8, 8, 1, 1], scale [1, 8, 1, 1], fc_w [classes, 8], fc_b.
torch::jit::Module steps(const std::string& source, int64_t classes = 5);

/// How a model was exported.
enum class Form { scripted, traced };

/// Source of a convolution without bias of `x` by self.<weight>, followed by a
/// batch norm with tensors of its own, self.<weight>_mean and so on.
std::string conv_norm(Form form, const std::string& x,
                      const std::string& weight, int stride = 1);

/// One max pooling, 3 x 3 with stride 2, and no dropout.
torch::jit::Module pooled();

}  // namespace engraft::tiny
