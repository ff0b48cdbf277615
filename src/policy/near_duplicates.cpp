#include "policy/near_duplicates.h"

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

int64_t count_distinct(const torch::Tensor& thumbnails,
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
  int64_t groups = count;
  const auto pairs = alike.accessor<int64_t, 2>();
  for (int64_t p = 0; p < alike.size(0); ++p) {
    const int64_t a = root(pairs[p][0]), b = root(pairs[p][1]);
    if (a == b) continue;
    parent[a] = b;
    --groups;
  }
  return groups;
}

}  // namespace engraft
