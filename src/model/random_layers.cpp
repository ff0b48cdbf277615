#include "model/random_layers.h"

#include <ATen/native/Pool.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/fractional_max_pool2d.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

namespace engraft {
namespace {

/// Regions along one dimension.
struct Regions {
  int64_t size = 1;
  bool random = false;
  bool one_less = false;  ///< leave out the first or the last place
};

/// LibTorch places region i at floor((i + u) a) - floor(u a) with
/// a = (input - size) / (output - 1): a choice if a is no whole number, which
/// it is not for one place less where it is for all. The first and the last
/// region lie at the ends.
Regions regions(int64_t input, int64_t output, int64_t kernel) {
  Regions out{std::min(kernel, input - output + 1)};
  if (output < 3) return out;
  const int64_t room = input - out.size;
  const bool whole = room % (output - 1) == 0;
  out.one_less = whole && room >= 2 * (output - 1);
  out.random = !whole || out.one_less;
  return out;
}

TORCH_LIBRARY_FRAGMENT(engraft, library) {
  library.def("survival(Tensor x, float p, int batch_dim) -> Tensor", survival);
  library.def(
      "fractional_max_pool2d(Tensor x, int[] kernel_size, int[] stride, int[] "
      "padding, bool ceil_mode) -> Tensor",
      fractional_max_pool2d);
}

}  // namespace

at::Tensor survival(const at::Tensor& x, double p, int64_t batch_dim) {
  std::vector<int64_t> size(x.dim(), 1);
  size[batch_dim] = x.size(batch_dim);
  return at::dropout(at::ones(size, x.options()), p, /*train=*/true);
}

at::Tensor fractional_max_pool2d(const at::Tensor& x, at::IntArrayRef kernel,
                                 at::IntArrayRef stride,
                                 at::IntArrayRef padding, bool ceil_mode) {
  TORCH_CHECK(x.dim() == 4, "images [N, C, H, W], not ", x.sizes());
  std::vector<int64_t> sizes, output;
  bool random = false;
  at::Tensor taken = x;
  const auto side = [](at::IntArrayRef pair, int64_t i) {
    return pair[pair.size() == 1 ? 0 : i];
  };
  for (int64_t i = 0; i < 2; ++i) {
    const int64_t input = x.size(2 + i);
    output.push_back(at::native::pooling_output_shape<int64_t>(
        input, side(kernel, i), side(padding, i),
        side(stride.empty() ? kernel : stride, i), /*dilation=*/1, ceil_mode));
    const Regions along = regions(input, output[i], side(kernel, i));
    sizes.push_back(along.size);
    random |= along.random;
    if (along.one_less)
      taken =
          taken.narrow(2 + i, at::randint(2, {1}).item<int64_t>(), input - 1);
  }
  if (!random)
    return at::max_pool2d(x, kernel, stride, padding, /*dilation=*/1,
                          ceil_mode);
  // One draw a picture: with one a channel the maps would not match any more.
  // Fewer bits than float32's would leave places out.
  const auto type = x.scalar_type();
  const bool coarse = type == at::kBFloat16 || type == at::kHalf;
  const at::Tensor fine = coarse ? taken.to(at::kFloat) : taken;
  const at::Tensor samples = at::rand({x.size(0), 1, 2}, fine.options())
                                 .expand({x.size(0), x.size(1), 2})
                                 .contiguous();
  const auto pooled =
      at::fractional_max_pool2d(fine.contiguous(), sizes, output, samples);
  return std::get<0>(pooled).to(type).contiguous(x.suggest_memory_format());
}

c10::Symbol survival_kind() {
  return c10::Symbol::fromQualString("engraft::survival");
}

c10::Symbol fractional_max_pool2d_kind() {
  return c10::Symbol::fromQualString("engraft::fractional_max_pool2d");
}

}  // namespace engraft
