#include "policy/near_duplicates.h"

#include <map>
#include <numeric>
#include <vector>

namespace engraft {
namespace {

// A picture saved again at quality 50, at half the size or without its outer
// 5 % lies above both; two photographs of one object on one ground do not.
constexpr double kAlikeThumbnails = 0.985, kAlikeFeatures = 0.95;

/// Cosines between rows, after taking their mean away: [N, N].
torch::Tensor cosines(const torch::Tensor& rows, bool centre_columns) {
  auto x = rows.to(torch::kFloat);
  x = x - x.mean(centre_columns ? 0 : 1, true);
  x = x / x.norm(2, 1, true).clamp_min(1e-12);
  return x.matmul(x.t());
}

}  // namespace

torch::Tensor group_near_duplicates(const torch::Tensor& thumbnails,
                                    const torch::Tensor& features) {
  const auto alike = (cosines(thumbnails, false).gt(kAlikeThumbnails) &
                      cosines(features, true).gt(kAlikeFeatures))
                         .triu(1)
                         .nonzero();
  const int64_t count = thumbnails.size(0);
  std::vector<int64_t> parent(static_cast<size_t>(count));
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&](int64_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  const auto pairs = alike.accessor<int64_t, 2>();
  for (int64_t p = 0; p < alike.size(0); ++p)
    parent[root(pairs[p][0])] = root(pairs[p][1]);
  std::map<int64_t, int64_t> numbers;
  std::vector<int64_t> out;
  for (int64_t i = 0; i < count; ++i)
    out.push_back(numbers.emplace(root(i), std::ssize(numbers)).first->second);
  return torch::tensor(out, torch::kLong);
}

double estimate_groups(const torch::Tensor& groups, int64_t population) {
  const auto sizes = std::get<2>(at::_unique2(groups, true, false, true));
  const auto seen = static_cast<double>(sizes.numel());
  const auto drawn = static_cast<double>(groups.numel());
  const auto all = static_cast<double>(population);
  const auto once = sizes.eq(1).sum().item<double>();
  const auto twice = sizes.eq(2).sum().item<double>();
  if (drawn >= all || once == 0) return seen;
  const double by_twice = twice > 0 ? 2 * twice * drawn / (drawn - 1) : 0;
  const double by_once = once * drawn / (all - drawn);
  return seen + once * once / (by_twice + by_once);
}

}  // namespace engraft
