#include "model/norm_activation.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <limits>
#include <optional>

namespace engraft {
namespace {

struct Case {
  Activation activation;
  int64_t n, channels, height, width;
  double offset;  ///< of the values: a mean far from zero
};

/// What a layer gives and what flows back from it.
struct Outcome {
  torch::Tensor y, x_grad, weight_grad, bias_grad, mean, var;
};

torch::Tensor activated(const torch::Tensor& z, Activation activation) {
  switch (activation) {
    case Activation::relu:
      return torch::relu(z);
    case Activation::relu6:
      return torch::hardtanh(z, 0, 6);
    case Activation::hardswish:
      return torch::hardswish(z);
    default:
      return z;
  }
}

class NormActivationCase : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    torch::manual_seed(7);
    const Case& c = GetParam();
    x = torch::randn({c.n, c.channels, c.height, c.width}) * 3 + c.offset;
    x = x.contiguous(at::MemoryFormat::ChannelsLast);
    above = torch::randn_like(x);
    weight = torch::rand(c.channels) + 0.5;
    bias = torch::randn(c.channels);
    mean = torch::randn(c.channels);
    var = torch::rand(c.channels) + 0.5;
  }

  /// pixels  the type of x, where it is another one
  Outcome run(at::ScalarType dtype, bool ours,
              std::optional<at::ScalarType> pixels = {}) const {
    const auto leaf = [&](const torch::Tensor& t, at::ScalarType type) {
      return t.to(type).clone().detach().requires_grad_();
    };
    const auto x_ = leaf(x, pixels.value_or(dtype)), w = leaf(weight, dtype),
               b = leaf(bias, dtype);
    Outcome out;
    out.mean = mean.to(dtype).clone();
    out.var = var.to(dtype).clone();
    const auto kind = GetParam().activation;
    out.y = ours ? norm_activation(x_, w, b, out.mean, out.var, 0.1, 1e-5, kind)
                 : activated(torch::batch_norm(x_, w, b, out.mean, out.var,
                                               true, 0.1, 1e-5, false),
                             kind);
    out.y.backward(above.to(pixels.value_or(dtype)));
    out.x_grad = x_.grad();
    out.weight_grad = w.grad();
    out.bias_grad = b.grad();
    return out;
  }

  torch::Tensor x, above, weight, bias, mean, var;
};

void expect_near(const torch::Tensor& seen, const torch::Tensor& expected,
                 const char* what) {
  const double scale = expected.abs().max().item<double>() + 1e-6;
  const double off =
      (seen.to(torch::kDouble) - expected).abs().max().item<double>();
  EXPECT_LT(off / scale, 1e-5) << what;
}

/// What is float32 for any x: a number a channel.
void expect_channels_near(const Outcome& seen, const Outcome& expected) {
  expect_near(seen.weight_grad, expected.weight_grad, "weight");
  expect_near(seen.bias_grad, expected.bias_grad, "bias");
  expect_near(seen.mean, expected.mean, "running mean");
  expect_near(seen.var, expected.var, "running variance");
}

TEST_P(NormActivationCase, IsLibTorchsOwnInDoublePrecision) {
  const Outcome seen = run(torch::kFloat, true);
  const Outcome expected = run(torch::kDouble, false);
  expect_near(seen.y.detach(), expected.y.detach(), "y");
  expect_near(seen.x_grad, expected.x_grad, "x");
  expect_channels_near(seen, expected);
  EXPECT_TRUE(seen.y.is_contiguous(at::MemoryFormat::ChannelsLast) ||
              seen.y.is_contiguous());
}

/// Half a unit in the last of bfloat16's 8 bits, and 1e-5 of the largest.
void expect_rounded(const torch::Tensor& seen, const torch::Tensor& expected,
                    const char* what) {
  EXPECT_EQ(seen.scalar_type(), torch::kBFloat16) << what;
  const auto off = (seen.to(torch::kDouble) - expected).abs();
  const auto allowed =
      expected.abs() / 256 + 1e-5 * expected.abs().max().item<double>();
  EXPECT_TRUE((off <= allowed).all().item<bool>())
      << what << " " << (off / allowed).max().item<double>();
}

TEST_P(NormActivationCase, RoundsOnlyWhatItReadsAndWritesInBfloat16) {
  x = x.to(torch::kBFloat16).to(torch::kFloat);
  above = above.to(torch::kBFloat16).to(torch::kFloat);
  const Outcome seen = run(torch::kFloat, true, torch::kBFloat16);
  const Outcome expected = run(torch::kDouble, false);
  expect_rounded(seen.y.detach(), expected.y.detach(), "y");
  expect_rounded(seen.x_grad, expected.x_grad, "x");
  expect_channels_near(seen, expected);
}

TEST_P(NormActivationCase, ThreadsChangeNoBit) {
  const int before = at::get_num_threads();
  for (const auto type : {torch::kFloat, torch::kBFloat16}) {
    const Outcome many = run(torch::kFloat, true, type);
    at::set_num_threads(1);
    const Outcome one = run(torch::kFloat, true, type);
    at::set_num_threads(before);
    EXPECT_TRUE(torch::equal(many.y, one.y)) << type;
    EXPECT_TRUE(torch::equal(many.x_grad, one.x_grad)) << type;
    EXPECT_TRUE(torch::equal(many.weight_grad, one.weight_grad)) << type;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, NormActivationCase,
    testing::Values(Case{Activation::none, 4, 16, 9, 7, 0},
                    Case{Activation::relu, 3, 33, 5, 6, 2},
                    Case{Activation::relu6, 2, 5, 40, 41, -1},
                    Case{Activation::relu6, 8, 96, 28, 28, 0},
                    Case{Activation::hardswish, 4, 24, 11, 3, 1},
                    Case{Activation::relu, 16, 300, 1, 1, 0},
                    Case{Activation::none, 4, 8, 30, 30, 100}));

TEST(NormActivation, WhatIsNoNumberStaysNone) {
  const auto ones = torch::ones(4), zeros = torch::zeros(4);
  for (const auto type : {torch::kFloat, torch::kBFloat16})
    for (const auto activation : {Activation::none, Activation::relu,
                                  Activation::relu6, Activation::hardswish})
      for (const double bad : {std::numeric_limits<double>::quiet_NaN(),
                               std::numeric_limits<double>::infinity()}) {
        auto x = torch::randn({3, 4, 5, 5})
                     .to(type)
                     .contiguous(at::MemoryFormat::ChannelsLast);
        x[1][2][3][4] = bad;
        const auto y = norm_activation(x, ones, zeros, zeros.clone(),
                                       ones.clone(), 0.1, 1e-5, activation);
        EXPECT_TRUE(y.select(1, 2).isnan().all().item<bool>()) << type << bad;
        EXPECT_FALSE(y.select(1, 1).isnan().any().item<bool>()) << type << bad;
      }
}

TEST(NormActivation, OneValueAChannelIsNormalisedByWhatIsKnown) {
  const auto w = torch::rand(4) + 0.5, b = torch::randn(4);
  const auto mean = torch::randn(4), var = torch::rand(4) + 0.5;
  for (const auto& x : {torch::randn({1, 4}), torch::randn({1, 4, 1, 1})}) {
    const auto mean_after = mean.clone(), var_after = var.clone();
    const auto y = norm_activation(x, w, b, mean_after, var_after, 0.1, 1e-5,
                                   Activation::none);
    // The sum of two terms below 8 in float32, whose last bits are 5e-7, may be
    // next to nothing.
    const auto expected = (x.to(torch::kDouble).flatten() - mean) /
                              (var.to(torch::kDouble) + 1e-5).sqrt() * w +
                          b;
    EXPECT_TRUE(
        torch::allclose(y.flatten().to(torch::kDouble), expected, 1e-5, 1e-6));
    EXPECT_TRUE(mean_after.equal(mean));
    EXPECT_TRUE(var_after.equal(var));
  }
}

TEST(NormActivation, OtherMemoryFormatsAndTypesGoLibTorchsWay) {
  const auto x = torch::randn({3, 4, 5, 5}, torch::kDouble);
  const auto ones = torch::ones(4, torch::kDouble);
  const auto zeros = torch::zeros(4, torch::kDouble);
  const auto y = norm_activation(x, ones, zeros, zeros.clone(), ones.clone(),
                                 0.1, 1e-5, Activation::relu);
  EXPECT_TRUE(torch::allclose(
      y, torch::relu(torch::batch_norm(x, ones, zeros, zeros.clone(),
                                       ones.clone(), true, 0.1, 1e-5, false))));
  const auto flat = torch::randn({6, 4});
  EXPECT_EQ(
      norm_activation(flat, torch::ones(4), torch::zeros(4), torch::zeros(4),
                      torch::ones(4), 0.1, 1e-5, Activation::none)
          .sizes(),
      flat.sizes());
}

}  // namespace
}  // namespace engraft
