#include "model/random_layers.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace engraft {
namespace {

struct Pool {
  int64_t height, width, kernel, stride, padding;
  bool ceil_mode;
  bool random;  ///< whether regions of the kernel's size can vary
};

class FractionalPooling : public testing::TestWithParam<Pool> {
 protected:
  torch::Tensor ours(const torch::Tensor& x) const {
    const Pool& p = GetParam();
    return fractional_max_pool2d(x, {p.kernel, p.kernel}, {p.stride, p.stride},
                                 {p.padding, p.padding}, p.ceil_mode);
  }
  torch::Tensor models(const torch::Tensor& x) const {
    const Pool& p = GetParam();
    return torch::max_pool2d(x, {p.kernel, p.kernel}, {p.stride, p.stride},
                             {p.padding, p.padding}, 1, p.ceil_mode);
  }
  torch::Tensor picture(int64_t n = 2) const {
    const Pool& p = GetParam();
    return torch::randn({n, 3, p.height, p.width},
                        at::detail::createCPUGenerator(5))
        .contiguous(at::MemoryFormat::ChannelsLast);
  }
};

TEST_P(FractionalPooling, GivesTheSizeOfTheModelsPool) {
  const auto y = ours(picture());
  EXPECT_EQ(y.sizes(), models(picture()).sizes());
  EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST_P(FractionalPooling, IsRandomWhereThereIsAChoice) {
  torch::manual_seed(1);
  const auto x = picture();
  const auto first = ours(x);
  bool differs = false;
  for (int i = 0; i < 5; ++i) differs |= !ours(x).equal(first);
  EXPECT_EQ(differs, GetParam().random);
  if (!GetParam().random) {
    EXPECT_TRUE(first.equal(models(x)));
  }
}

TEST_P(FractionalPooling, EachGradientGoesToTheMaximum) {
  torch::manual_seed(1);
  const auto x = picture().requires_grad_();
  const auto y = ours(x);
  y.sum().backward();
  EXPECT_EQ(x.grad().sum().item<double>(), static_cast<double>(y.numel()));
  // All values differ, so each output names its place.
  const auto taken = torch::isin(x.detach(), y.detach());
  EXPECT_TRUE((x.grad() != 0).equal(taken));
}

INSTANTIATE_TEST_SUITE_P(Shapes, FractionalPooling,
                         testing::Values(Pool{16, 16, 2, 2, 0, false, true},
                                         Pool{16, 12, 3, 2, 1, false, true},
                                         Pool{15, 13, 3, 2, 1, false, true},
                                         Pool{13, 13, 3, 2, 0, true, true},
                                         Pool{14, 14, 3, 2, 0, true, true},
                                         Pool{17, 9, 2, 2, 0, true, true},
                                         Pool{20, 20, 3, 3, 0, false, true},
                                         Pool{7, 7, 3, 2, 0, false, true},
                                         Pool{4, 4, 2, 2, 0, false, false},
                                         Pool{3, 3, 3, 2, 1, false, false},
                                         Pool{1, 1, 3, 2, 1, false, false}));

/// Where the regions begin, as Graham 2014 has them, in LibTorch's spelling.
std::vector<int64_t> starts(int64_t input, int64_t output, int64_t size,
                            float u) {
  std::vector<int64_t> out;
  const float a =
      static_cast<float>(input - size) / static_cast<float>(output - 1);
  for (int64_t i = 0; i + 1 < output; ++i)
    out.push_back(static_cast<int64_t>((static_cast<float>(i) + u) * a) -
                  static_cast<int64_t>(u * a));
  out.push_back(input - size);
  return out;
}

/// Along one dimension: places [first, first + places) in regions of `size`.
struct Along {
  int64_t first, places, size;
};

/// y [N, C, H, W] holds the maxima of x over the regions that u [N, 1, 2]
/// means.
void expect_maxima(const torch::Tensor& x, const torch::Tensor& y,
                   const torch::Tensor& u, Along rows, Along columns) {
  for (int64_t n = 0; n < y.size(0); ++n) {
    const auto left = starts(columns.places, y.size(3), columns.size,
                             u[n][0][0].item<float>());
    const auto top =
        starts(rows.places, y.size(2), rows.size, u[n][0][1].item<float>());
    for (int64_t i = 0; i < y.size(2); ++i)
      for (int64_t j = 0; j < y.size(3); ++j)
        EXPECT_TRUE(x[n].narrow(1, rows.first + top[i], rows.size)
                        .narrow(2, columns.first + left[j], columns.size)
                        .amax({1, 2})
                        .equal(y[n].select(1, i).select(1, j)))
            << n << " " << i << " " << j;
  }
}

TEST(FractionalPool, TakesTheMaximumOfTheRegionsThatItDraws) {
  const auto x =
      torch::randn({4, 3, 10, 13}, at::detail::createCPUGenerator(2));
  for (const int seed : {11, 12, 13, 14}) {
    torch::manual_seed(seed);
    const auto y = fractional_max_pool2d(x, {2, 3}, {2, 2}, {0, 1}, false);
    // 10 rows to 5 in regions of 2 would be a regular grid, so 9 of them are
    // taken; 13 columns to 7 in regions of 3 leave a choice, as 10 / 6 is no
    // whole number.
    torch::manual_seed(seed);
    const auto first = torch::randint(2, {1}).item<int64_t>();
    const auto u = torch::rand({4, 1, 2});
    ASSERT_EQ(y.sizes(), (std::vector<int64_t>{4, 3, 5, 7}));
    expect_maxima(x, y, u, {first, 9, 2}, {0, 13, 3});
  }
}

TEST(FractionalPool, LeavesOutARowAndAColumn) {
  const auto x = torch::randn({2, 3, 8, 12}, at::detail::createCPUGenerator(4));
  torch::manual_seed(21);
  const auto y = fractional_max_pool2d(x, {2, 2}, {2, 2}, {0, 0}, false);
  torch::manual_seed(21);
  const auto row = torch::randint(2, {1}).item<int64_t>();
  const auto column = torch::randint(2, {1}).item<int64_t>();
  ASSERT_EQ(y.sizes(), (std::vector<int64_t>{2, 3, 4, 6}));
  expect_maxima(x, y, torch::rand({2, 1, 2}), {row, 7, 2}, {column, 11, 2});
}

TEST(FractionalPool, OfBfloat16IsThatOfItsNumbers) {
  const auto x = torch::randn({2, 3, 16, 16}, at::detail::createCPUGenerator(6))
                     .to(torch::kBFloat16);
  const auto pool = [](const torch::Tensor& of) {
    torch::manual_seed(31);
    return fractional_max_pool2d(of, {2, 2}, {2, 2}, {0, 0}, false);
  };
  const auto seen = pool(x);
  EXPECT_EQ(seen.scalar_type(), torch::kBFloat16);
  EXPECT_TRUE(seen.to(torch::kFloat).equal(pool(x.to(torch::kFloat))));
}

TEST(FractionalPool, IsAsLargeOnAverageAsTheModelsPool) {
  const auto x =
      torch::randn({8, 4, 32, 32}, at::detail::createCPUGenerator(3));
  torch::manual_seed(1);
  const auto ours = fractional_max_pool2d(x, {2, 2}, {2, 2}, {0, 0}, false);
  const auto models = torch::max_pool2d(x, {2, 2});
  // The mean of 8192 maxima of four normal numbers has a standard error of
  // 0.70 / sqrt(8192) = 0.008; regions overlap a little.
  EXPECT_NEAR(ours.mean().item<double>(), models.mean().item<double>(), 0.024);
}

TEST(Survival, IsOneNumberAPictureWithTheExpectationOne) {
  torch::manual_seed(3);
  const auto x = torch::zeros({5, 4000, 2});
  const auto factor = survival(x, 0.2, 1);
  ASSERT_EQ(factor.sizes(), (std::vector<int64_t>{1, 4000, 1}));
  torch::manual_seed(3);
  EXPECT_TRUE(factor.equal(torch::empty({1, 4000, 1}).bernoulli_(0.8) / 0.8));
  // The standard error is sqrt(0.8 * 0.2 / 4000) / 0.8 = 0.008.
  EXPECT_NEAR(factor.mean().item<double>(), 1, 0.024);
}

}  // namespace
}  // namespace engraft
