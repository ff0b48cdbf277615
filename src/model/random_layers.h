#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/symbol.h>

namespace engraft {

// Operations of training graphs. They draw from LibTorch's default generator.

/// Which pictures keep a residual branch (Huang et al. 2016): 0 with
/// probability p and 1 / (1 - p) otherwise, one number for each picture, of
/// size 1 in the other dimensions of x and of its dtype.
at::Tensor survival(const at::Tensor& x, double p, int64_t batch_dim);

/// Max pooling over random regions (Graham 2014), the same for all channels of
/// a picture, to the size that at::max_pool2d gives; the padding itself is
/// never pooled. Regions are of the kernel's size: the maximum of more places
/// would be larger than what the model sees without them. A grid that fits
/// exactly, as 2 x 2 of an even size, leaves no choice: there one draw for all
/// pictures leaves out the first or the last row or column, and two regions
/// overlap somewhere. Where neither dimension leaves a choice, as for outputs
/// of one or two rows and columns, it is at::max_pool2d; where one does, the
/// regions of the other go from end to end.
/// x       float [N, C, H, W], memory format kept
/// stride  empty for the kernel's size, as at::max_pool2d has it
at::Tensor fractional_max_pool2d(const at::Tensor& x, at::IntArrayRef kernel,
                                 at::IntArrayRef stride,
                                 at::IntArrayRef padding, bool ceil_mode);

/// Their kinds in a graph. Functions, so that who uses the kinds also links
/// the registration.
c10::Symbol survival_kind();
c10::Symbol fractional_max_pool2d_kind();

}  // namespace engraft
