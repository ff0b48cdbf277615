#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

#include "engraft/model/classifier.h"

namespace engraft {

/// TorchScript modules built from source text: no file, no Python. Each takes
/// [N, 3, 16, 16] (any square size unless said otherwise). Weights are random
/// under a fixed seed, running statistics are not those of the identity.
namespace tiny {

/// conv-bn-relu, a residual block, a strided conv-bn-relu, another residual
/// block, pooling, flatten by the batch size read at the start, dropout,
/// linear. As a script: modes follow `training`.
torch::jit::Module residual(int64_t classes = 5);
/// The same as a trace leaves it: modes are constants.
/// train_mode: as if traced in train mode, with the counting of batches and
/// stochastic depth on the second residual branch.
torch::jit::Module traced(bool train_mode, int64_t classes = 5);
/// Assertions around every step, as scripted BatchNorm has them.
torch::jit::Module asserting(int64_t classes = 5);
/// A 1x1 convolution, ReLU and pooling as the head (SqueezeNet).
torch::jit::Module conv_head(int64_t classes = 5);
/// addmm(b, x, w.t()) as the head.
torch::jit::Module addmm_head(int64_t classes = 5);
/// matmul(x, w) + b with the weight stored input-major.
torch::jit::Module matmul_head(int64_t classes = 5);
/// Patches, a class token expanded by the batch size, LayerNorm, softmax
/// attention with a shortcut, linear. Takes 16x16 only.
torch::jit::Module attention(int64_t classes = 5);
/// The same by the operations that torch.nn.MultiheadAttention and
/// torch.nn.TransformerEncoderLayer (one with its norm first, one not) leave in
/// a trace in evaluation mode. masked: the first with a mask, which leaves it
/// without a derivative.
torch::jit::Module fast_attention(int64_t classes = 5, bool masked = false);
/// A list of numbers is written to under a condition on the image's shape, and
/// read a layer later (Swin).
torch::jit::Module writes_list(int64_t classes = 5);
/// The residual model behind another ending: "softmax", "log_softmax",
/// "tuple" (logits and an auxiliary output), "dict" (features and logits),
/// "sigmoid", "relu", "cast" (the final layer's tensors brought to the
/// features' type, as timm does), "complex" (a branch of numbers that bfloat16
/// does not have), "none" (features only), "two_images", "list_input".
torch::jit::Module ending(const std::string& kind, int64_t classes = 5);
/// Convolutions with each activation that can be fused, zeros put around their
/// inputs, and shortcuts with and without one.
torch::jit::Module activations(int64_t classes = 5);
/// A convolution whose weight is standardised by a batch norm of its own,
/// without running statistics, as timm does.
torch::jit::Module standardised(int64_t classes = 5);
/// Stochastic depth by floor(p + rand), as a trace in train mode leaves it;
/// known: in the usual form, else by a factor that is nothing known.
torch::jit::Module random_depth(bool known, int64_t classes = 5);
/// Features of a batch of one image, and of no other.
torch::jit::Module one_image(int64_t classes = 5);
/// A batch norm between the pooled features and the linear layer.
torch::jit::Module pooled_norm(int64_t classes = 5);
/// Two layers with one weight.
torch::jit::Module tied(int64_t classes = 5);
/// A number from the image's shape is alive until the end: no cut point.
torch::jit::Module uncuttable(int64_t classes = 5);
/// Weights as constants of the graph, without BatchNorm.
torch::jit::Module frozen(int64_t classes = 5);

/// [n, 3, 16, 16], standard normal and always the same.
torch::Tensor images(int64_t n);
/// InputSpec with crop 16 and resize 18.
InputSpec input();

}  // namespace tiny
}  // namespace engraft
