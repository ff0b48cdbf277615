#pragma once

#include <torch/types.h>

#include <vector>

#include "model/graph.h"

namespace engraft {

/// Rewrites a frozen graph of the image alone (weights are constants, batch
/// norms folded): a convolution takes in the activation behind it, and the
/// addition of another tensor of its own shape before that, by oneDNN's
/// post-operations (mkldnn::_convolution_pointwise, also behind torch.compile
/// on CPUs). Its weight is laid out for oneDNN beforehand and becomes an input
/// of the graph.
///
/// batch, input_size  shape of the images, for which weights are laid out;
///                    others work too
/// dtype              of the image, float32 or bfloat16
/// Returns the weights, in the order of the new inputs. Leaves the graph
/// untouched and returns nothing where this LibTorch has no such operations.
std::vector<torch::Tensor> fuse_convolutions(std::shared_ptr<Graph>& graph,
                                             int64_t batch, int64_t input_size,
                                             at::ScalarType dtype);

}  // namespace engraft
