#include "engraft/eval/separation.h"

#include "engraft/options.h"

namespace engraft {
namespace {

/// Places in ascending order from 1 on, the mean place for equal values:
/// float64 [N].
torch::Tensor ranks(const torch::Tensor& column) {
  const auto values = column.contiguous();
  const auto sorted = std::get<0>(values.sort());
  const auto below = torch::searchsorted(sorted, values);
  const auto up_to = torch::searchsorted(sorted, values, /*out_int32=*/false,
                                         /*right=*/true);
  return (below + up_to + 1).to(torch::kFloat64) / 2;
}

std::optional<double> mean_of(const torch::Tensor& values) {
  if (values.numel() == 0) return std::nullopt;
  return values.mean().item<double>();
}

}  // namespace

Separation separation(const std::string& measure,
                      const torch::Tensor& uncertainty,
                      const torch::Tensor& right) {
  const auto wrong = right.logical_not();
  Separation out{measure, mean_of(uncertainty.masked_select(right)),
                 mean_of(uncertainty.masked_select(wrong)), std::nullopt};
  if (!out.right || !out.wrong) return out;
  const auto wrongs = static_cast<double>(wrong.sum().item<int64_t>());
  const double rights = static_cast<double>(right.numel()) - wrongs;
  const double sum =
      ranks(uncertainty).masked_select(wrong).sum().item<double>();
  out.auroc = (sum - wrongs * (wrongs + 1) / 2) / (wrongs * rights);
  return out;
}

Json to_json(const Separation& s) {
  return {{"measure", s.measure},
          {"right", spelled(s.right)},
          {"wrong", spelled(s.wrong)},
          {"auroc", spelled(s.auroc)}};
}

}  // namespace engraft
