#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "model/graph.h"

namespace engraft {

/// What stands behind a batch norm.
enum class Activation : int64_t { none, relu, relu6, hardswish };

/// Batch normalisation on the batch's own statistics (Ioffe & Szegedy 2015)
/// and the activation behind it, differentiable, as one operation: LibTorch's
/// own keep three activations for the backward pass, this one keeps x alone and
/// computes the rest again, in half of the passes over memory.
///   y = activation(weight (x - mean) / sqrt(var + eps) + bias)
/// Updates the running statistics, the variance by n - 1, as at::batch_norm.
/// Computes in float32 for any x.
/// x             float32 or bfloat16 [N, C, H, W], and so is the result;
///               another device, type or memory format than the CPU's
///               channels-last goes LibTorch's way
/// weight, bias, running_mean, running_var  float32 [C]
/// The result does not depend on the number of threads.
at::Tensor norm_activation(const at::Tensor& x, const at::Tensor& weight,
                           const at::Tensor& bias, at::Tensor running_mean,
                           at::Tensor running_var, double momentum, double eps,
                           Activation activation);

/// Puts it in the place of each batch norm in training mode, together with the
/// activation behind it when that alone uses the norm's output.
void fuse_norm_activations(const std::shared_ptr<Graph>& graph);

}  // namespace engraft
