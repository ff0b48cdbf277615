#include "model/norm_activation.h"

#include <ATen/Parallel.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/hardswish.h>
#include <ATen/ops/hardtanh.h>
#include <ATen/ops/relu.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace engraft {
namespace {

// The loops below run over channels, which lie next to each other: the compiler
// makes vector code of them, once for any processor and once for AVX2.
#if defined(__x86_64__) && defined(__GNUC__)
#define ENGRAFT_INLINE __attribute__((always_inline))

template <typename Work>
__attribute__((target("avx2,fma"))) void with_avx2(const Work& work) {
  work();
}

/// Calls work(), compiled for the processor: all that it calls has to be
/// ENGRAFT_INLINE, and so has it.
template <typename Work>
void vectorised(const Work& work) {
  static const bool has_avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_avx2)
    with_avx2(work);
  else
    work();
}
#else
#define ENGRAFT_INLINE

template <typename Work>
void vectorised(const Work& work) {
  work();
}
#endif

// What is written overlaps nothing.
using In = const float* __restrict;
using Out = float* __restrict;
/// Pictures are float32 or bfloat16, that is its 16 bits.
template <typename T>
using Pixels = const T* __restrict;
template <typename T>
using NewPixels = T* __restrict;

ENGRAFT_INLINE inline float load(float x) { return x; }
ENGRAFT_INLINE inline float load(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

/// To the nearest, of two as near the even one; what is no number stays none.
ENGRAFT_INLINE inline void store(float x, float& to) { to = x; }
ENGRAFT_INLINE inline void store(float x, uint16_t& to) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t nearest = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const bool is_number = (bits & 0x7fffffff) <= 0x7f800000;
  to = static_cast<uint16_t>(is_number ? nearest : 0x7fc0);
}

/// Rows [begin, end) of a matrix [rows, C]: a part that stays in the cache.
struct Rows {
  int64_t begin, end, channels;
};

template <Activation kind>
ENGRAFT_INLINE inline float value(float z) {
  // Asked so that what is no number stays none.
  if constexpr (kind == Activation::relu) return z <= 0 ? 0 : z;
  if constexpr (kind == Activation::relu6)
    return z <= 0 ? 0.0f : (z >= 6 ? 6.0f : z);
  if constexpr (kind == Activation::hardswish) {
    const float t = z + 3;
    return z * (t > 0 ? (t < 6 ? t : 6.0f) : 0.0f) * (1.0f / 6);
  }
  return z;
}

template <Activation kind>
ENGRAFT_INLINE inline float slope(float z) {
  if constexpr (kind == Activation::relu) return z <= 0 ? 0.0f : 1.0f;
  if constexpr (kind == Activation::relu6)
    return (z <= 0 ? 0.0f : 1.0f) * (z >= 6 ? 0.0f : 1.0f);
  if constexpr (kind == Activation::hardswish)
    return z < -3 ? 0.0f : (z <= 3 ? z * (1.0f / 3) + 0.5f : 1.0f);
  return 1;
}

/// Mean of the part, and the sum of squares of what deviates from it.
template <typename T>
ENGRAFT_INLINE inline void moments_of(Rows rows, Pixels<T> x, Out mean,
                                      Out squares) {
  const int64_t n = rows.channels;
  std::fill(mean, mean + n, 0.0f);
  std::fill(squares, squares + n, 0.0f);
  for (int64_t r = rows.begin; r < rows.end; ++r)
    for (int64_t c = 0; c < n; ++c) mean[c] += load(x[r * n + c]);
  const float per_row = 1.0f / static_cast<float>(rows.end - rows.begin);
  for (int64_t c = 0; c < n; ++c) mean[c] *= per_row;
  for (int64_t r = rows.begin; r < rows.end; ++r)
    for (int64_t c = 0; c < n; ++c) {
      const float d = load(x[r * n + c]) - mean[c];
      squares[c] += d * d;
    }
}

template <Activation kind, typename T>
ENGRAFT_INLINE inline void forward_of(Rows rows, Pixels<T> x, In scale,
                                      In shift, NewPixels<T> y) {
  const int64_t n = rows.channels;
  for (int64_t r = rows.begin; r < rows.end; ++r)
    for (int64_t c = 0; c < n; ++c)
      store(value<kind>(load(x[r * n + c]) * scale[c] + shift[c]),
            y[r * n + c]);
}

/// Sums over the part of dz = dL/dz and of dz (x - mean).
template <Activation kind, typename T>
ENGRAFT_INLINE inline void sums_of(Rows rows, Pixels<T> x, Pixels<T> dy,
                                   In scale, In shift, In mean, Out sum,
                                   Out product) {
  const int64_t n = rows.channels;
  std::fill(sum, sum + n, 0.0f);
  std::fill(product, product + n, 0.0f);
  for (int64_t r = rows.begin; r < rows.end; ++r)
    for (int64_t c = 0; c < n; ++c) {
      const float v = load(x[r * n + c]);
      const float dz =
          load(dy[r * n + c]) * slope<kind>(v * scale[c] + shift[c]);
      sum[c] += dz;
      product[c] += dz * (v - mean[c]);
    }
}

/// dx = scale dz + by_x (x - mean) + offset
template <Activation kind, typename T>
ENGRAFT_INLINE inline void backward_of(Rows rows, Pixels<T> x, Pixels<T> dy,
                                       In scale, In shift, In mean, In by_x,
                                       In offset, NewPixels<T> dx) {
  const int64_t n = rows.channels;
  for (int64_t r = rows.begin; r < rows.end; ++r)
    for (int64_t c = 0; c < n; ++c) {
      const float v = load(x[r * n + c]);
      const float dz =
          load(dy[r * n + c]) * slope<kind>(v * scale[c] + shift[c]);
      store(scale[c] * dz + by_x[c] * (v - mean[c]) + offset[c], dx[r * n + c]);
    }
}

/// Calls work with the kind as a constant of the compiler.
template <typename Work>
void with_constant(Activation kind, const Work& work) {
  switch (kind) {
    case Activation::none:
      return work(std::integral_constant<Activation, Activation::none>());
    case Activation::relu:
      return work(std::integral_constant<Activation, Activation::relu>());
    case Activation::relu6:
      return work(std::integral_constant<Activation, Activation::relu6>());
    case Activation::hardswish:
      return work(std::integral_constant<Activation, Activation::hardswish>());
  }
}

/// The rows of a channels-last tensor in parts of a fixed size, so that sums do
/// not depend on the number of threads.
class Parts {
 public:
  explicit Parts(const at::Tensor& x)
      : channels(x.size(1)),
        rows(x.numel() / std::max<int64_t>(channels, 1)),
        rows_each_(std::max<int64_t>(1, 16384 / channels)) {}

  int64_t count() const { return (rows + rows_each_ - 1) / rows_each_; }

  Rows part(int64_t i) const {
    return {i * rows_each_, std::min(rows, (i + 1) * rows_each_), channels};
  }

  template <typename Work>
  void for_each(const Work& work) const {
    at::parallel_for(0, count(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) work(i, part(i));
    });
  }

  const int64_t channels, rows;

 private:
  const int64_t rows_each_;
};

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

struct Moments {
  Doubles mean, squares;
};

/// Of all rows, from those of the parts (Chan, Golub & LeVeque 1983).
template <typename T>
Moments batch_moments(const Parts& parts, const T* x) {
  const int64_t n = parts.channels;
  Floats mean(parts.count() * n), squares(parts.count() * n);
  parts.for_each([&](int64_t i, Rows rows) {
    vectorised([&]() ENGRAFT_INLINE {
      moments_of<T>(rows, x, &mean[i * n], &squares[i * n]);
    });
  });
  Moments out{Doubles(n), Doubles(n)};
  for (int64_t i = 0; i < parts.count(); ++i) {
    const Rows rows = parts.part(i);
    const auto before = static_cast<double>(rows.begin);
    const auto own = static_cast<double>(rows.end - rows.begin);
    const double share = own / (before + own);
    for (int64_t c = 0; c < n; ++c) {
      const double delta = mean[i * n + c] - out.mean[c];
      out.mean[c] += share * delta;
      out.squares[c] += squares[i * n + c] + before * share * delta * delta;
    }
  }
  return out;
}

/// z = scale x + shift
struct Affine {
  Floats scale, shift;
};

Affine affine(const float* weight, const float* bias, const float* mean,
              const float* inverse_std, int64_t n) {
  Affine out{Floats(n), Floats(n)};
  for (int64_t c = 0; c < n; ++c) {
    out.scale[c] = weight[c] * inverse_std[c];
    out.shift[c] = bias[c] - mean[c] * out.scale[c];
  }
  return out;
}

/// The tensor's elements as the loops take them.
template <typename T>
const T* elements(const at::Tensor& x) {
  return static_cast<const T*>(x.const_data_ptr());
}
template <typename T>
T* new_elements(const at::Tensor& x) {
  return static_cast<T*>(x.mutable_data_ptr());
}

/// T: float, or uint16_t for bfloat16
template <typename T>
class NormActivation : public torch::autograd::Function<NormActivation<T>> {
 public:
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static at::Tensor forward(Context* context, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias,
                            at::Tensor running_mean, at::Tensor running_var,
                            double momentum, double eps, int64_t kind) {
    const Parts parts(x);
    const int64_t n = parts.channels;
    const auto count = static_cast<double>(parts.rows);
    const auto* from = elements<T>(x);
    const Moments batch = batch_moments(parts, from);
    const at::Tensor saved = at::empty({2, n}, weight.options());
    float* mean = saved.mutable_data_ptr<float>();
    float* inverse_std = mean + n;
    auto* old_mean = running_mean.mutable_data_ptr<float>();
    auto* old_var = running_var.mutable_data_ptr<float>();
    for (int64_t c = 0; c < n; ++c) {
      mean[c] = static_cast<float>(batch.mean[c]);
      const double var = batch.squares[c] / count;
      inverse_std[c] = static_cast<float>(1 / std::sqrt(var + eps));
      const double unbiased = batch.squares[c] / std::max(count - 1, 1.0);
      old_mean[c] +=
          static_cast<float>(momentum * (batch.mean[c] - old_mean[c]));
      old_var[c] += static_cast<float>(momentum * (unbiased - old_var[c]));
    }
    const at::Tensor w = weight.contiguous(), b = bias.contiguous();
    const Affine z = affine(w.const_data_ptr<float>(),
                            b.const_data_ptr<float>(), mean, inverse_std, n);
    at::Tensor y = at::empty_like(x);
    auto* to = new_elements<T>(y);
    with_constant(static_cast<Activation>(kind), [&](auto constant) {
      parts.for_each([&](int64_t, Rows rows) {
        vectorised([&]() ENGRAFT_INLINE {
          forward_of<constant, T>(rows, from, z.scale.data(), z.shift.data(),
                                  to);
        });
      });
    });
    context->save_for_backward({x, w, b, saved});
    context->saved_data["kind"] = kind;
    return y;
  }

  static Variables backward(Context* context, Variables gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &bias = saved[2];
    const auto kind =
        static_cast<Activation>(context->saved_data["kind"].toInt());
    const at::Tensor dy =
        gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    TORCH_INTERNAL_ASSERT(dy.scalar_type() == x.scalar_type());
    const Parts parts(x);
    const int64_t n = parts.channels;
    const auto* mean = saved[3].const_data_ptr<float>();
    const float* inverse_std = mean + n;
    const Affine z = affine(weight.const_data_ptr<float>(),
                            bias.const_data_ptr<float>(), mean, inverse_std, n);
    const auto* from = elements<T>(x);
    const auto* above = elements<T>(dy);
    at::Tensor dx = at::empty_like(x);
    at::Tensor dweight = at::empty_like(weight), dbias = at::empty_like(bias);
    auto* to = new_elements<T>(dx);
    auto* to_weight = dweight.mutable_data_ptr<float>();
    auto* to_bias = dbias.mutable_data_ptr<float>();
    with_constant(kind, [&](auto constant) {
      Floats sums(parts.count() * n), products(parts.count() * n);
      parts.for_each([&](int64_t i, Rows rows) {
        vectorised([&]() ENGRAFT_INLINE {
          sums_of<constant, T>(rows, from, above, z.scale.data(),
                               z.shift.data(), mean, &sums[i * n],
                               &products[i * n]);
        });
      });
      Doubles sum(n), product(n);
      for (int64_t i = 0; i < parts.count(); ++i)
        for (int64_t c = 0; c < n; ++c) {
          sum[c] += sums[i * n + c];
          product[c] += products[i * n + c];
        }
      // dx = scale (dz - mean(dz) - xhat mean(dz xhat))
      // with xhat = (x - mean) / std
      Floats by_x(n), offset(n);
      const double each = 1 / static_cast<double>(parts.rows);
      for (int64_t c = 0; c < n; ++c) {
        const double r = inverse_std[c];
        to_bias[c] = static_cast<float>(sum[c]);
        to_weight[c] = static_cast<float>(product[c] * r);
        by_x[c] = static_cast<float>(-z.scale[c] * r * r * product[c] * each);
        offset[c] = static_cast<float>(-z.scale[c] * sum[c] * each);
      }
      parts.for_each([&](int64_t, Rows rows) {
        vectorised([&]() ENGRAFT_INLINE {
          backward_of<constant, T>(rows, from, above, z.scale.data(),
                                   z.shift.data(), mean, by_x.data(),
                                   offset.data(), to);
        });
      });
    });
    return {dx, dweight, dbias, {}, {}, {}, {}, {}};
  }
};

at::Tensor activated(const at::Tensor& z, Activation kind) {
  switch (kind) {
    case Activation::none:
      return z;
    case Activation::relu:
      return at::relu(z);
    case Activation::relu6:
      return at::hardtanh(z, 0, 6);
    case Activation::hardswish:
      return at::hardswish(z);
  }
  return z;
}

bool is_float(const at::Tensor& t, int64_t size) {
  return t.is_cpu() && t.scalar_type() == at::kFloat && t.dim() == 1 &&
         t.size(0) == size && t.is_contiguous();
}

at::Tensor by_name(const at::Tensor& x, const at::Tensor& weight,
                   const at::Tensor& bias, at::Tensor running_mean,
                   at::Tensor running_var, double momentum, double eps,
                   int64_t kind) {
  return norm_activation(x, weight, bias, std::move(running_mean),
                         std::move(running_var), momentum, eps,
                         static_cast<Activation>(kind));
}

TORCH_LIBRARY_FRAGMENT(engraft, library) {
  library.def(
      "norm_activation(Tensor x, Tensor weight, Tensor bias, Tensor(a!) "
      "running_mean, Tensor(b!) running_var, float momentum, float eps, int "
      "activation) -> Tensor",
      by_name);
}

/// What a node computes on its only tensor, when that can be fused.
Activation activation_of(const Node* node) {
  const std::string kind = node->kind().toQualString();
  if (kind == "aten::relu" || kind == "aten::relu_") return Activation::relu;
  if (kind == "aten::relu6" || kind == "aten::relu6_") return Activation::relu6;
  if (kind == "aten::hardswish" || kind == "aten::hardswish_")
    return Activation::hardswish;
  if (kind == "aten::hardtanh" || kind == "aten::hardtanh_") {
    if (constant_number(node->input(1)) == 0.0 &&
        constant_number(node->input(2)) == 6.0)
      return Activation::relu6;
  }
  return Activation::none;
}

/// batch_norm(x, weight, bias, mean, var, training, momentum, eps, cudnn)
bool can_be_fused(const Node* norm) {
  for (const size_t tensor : {1, 2, 3, 4})
    if (is_none(norm->input(tensor))) return false;
  const auto training = torch::jit::toIValue(norm->input(5));
  return training && training->isBool() && training->toBool();
}

}  // namespace

at::Tensor norm_activation(const at::Tensor& x, const at::Tensor& weight,
                           const at::Tensor& bias, at::Tensor running_mean,
                           at::Tensor running_var, double momentum, double eps,
                           Activation activation) {
  const int64_t channels = x.dim() > 1 ? x.size(1) : 0;
  // One value a channel has none, and would leave running statistics that are
  // no numbers: the last picture of an epoch may come alone.
  const bool has_variance = x.numel() > channels;
  const bool half = x.scalar_type() == at::kBFloat16;
  const bool ours =
      x.is_cpu() && (half || x.scalar_type() == at::kFloat) && x.dim() == 4 &&
      has_variance && x.is_contiguous(at::MemoryFormat::ChannelsLast) &&
      is_float(weight, channels) && is_float(bias, channels) &&
      is_float(running_mean, channels) && is_float(running_var, channels);
  const auto kind = static_cast<int64_t>(activation);
  if (ours && half)
    return NormActivation<uint16_t>::apply(x, weight, bias, running_mean,
                                           running_var, momentum, eps, kind);
  if (ours)
    return NormActivation<float>::apply(x, weight, bias, running_mean,
                                        running_var, momentum, eps, kind);
  return activated(at::batch_norm(x, weight, bias, running_mean, running_var,
                                  /*training=*/has_variance, momentum, eps,
                                  /*cudnn_enabled=*/true),
                   activation);
}

void fuse_norm_activations(const std::shared_ptr<Graph>& graph) {
  static const auto kFused =
      c10::Symbol::fromQualString("engraft::norm_activation");
  std::vector<Node*> norms;
  for_each_node(graph->block(), [&](Node* node) {
    if (is_batch_norm(node) && can_be_fused(node)) norms.push_back(node);
  });
  for (Node* norm : norms) {
    Node* last = norm;
    auto kind = Activation::none;
    Node* next = only_user(norm->output());
    if (next && next->owningBlock() == norm->owningBlock()) {
      kind = activation_of(next);
      if (kind != Activation::none) last = next;
    }
    torch::jit::WithInsertPoint guard(norm);
    std::vector<torch::jit::NamedValue> inputs;
    for (const size_t index : {0, 1, 2, 3, 4, 6, 7})
      inputs.emplace_back(norm->input(index));
    inputs.emplace_back(static_cast<int64_t>(kind));
    last->output()->replaceAllUsesWith(graph->insert(kFused, inputs));
    if (last != norm) last->destroy();
    norm->destroy();
  }
}

}  // namespace engraft
