#include "eval/view_kinds.h"

#include <algorithm>
#include <sstream>

namespace engraft {
namespace {

std::string name_of_view(double scale, const char* crops) {
  std::ostringstream out;
  if (scale != 1) out << "scale " << scale << ", ";
  out << crops;
  return out.str();
}

/// Place among the views of a scale: four corners come before it.
int64_t centre_crop(int64_t crops) { return crops == 1 ? 0 : 4; }

}  // namespace

double centre_scale(const ViewOptions& options) {
  const auto& scales = options.scales.values;
  return std::ranges::count(scales, 1.0) > 0 ? 1.0 : scales.front();
}

std::vector<ViewKind> view_kinds(const ViewOptions& options) {
  const auto& scales = options.scales.values;
  const int64_t crops = options.num_crops();
  const double own = centre_scale(options);
  const int64_t place = std::ranges::find(scales, own) - scales.begin();
  std::vector<ViewKind> kinds{
      {name_of_view(own, "centre"), place * crops + centre_crop(crops), 1}};
  const char* name = crops == 1   ? "centre"
                     : crops == 5 ? "five crops"
                                  : "ten crops";
  for (int64_t s = 0; s < std::ssize(scales); ++s)
    if (crops > 1 || s != place)
      kinds.push_back({name_of_view(scales[s], name), s * crops, crops});
  if (scales.size() > 1) kinds.push_back({"all", 0, options.views()});
  return kinds;
}

ViewMetrics::ViewMetrics(const ViewOptions& options,
                         const std::vector<int64_t>& classes_of_interest)
    : average_(options.average),
      kinds_(view_kinds(options)),
      metrics_(kinds_.size(), MetricsAccumulator(classes_of_interest)) {}

std::vector<torch::Tensor> ViewMetrics::add(const torch::Tensor& logits,
                                            const torch::Tensor& labels) {
  std::vector<torch::Tensor> scores;
  for (size_t i = 0; i < kinds_.size(); ++i) {
    const auto views = logits.narrow(1, kinds_[i].first, kinds_[i].count);
    scores.push_back(average_crops(views, average_));
    metrics_[i].add(scores.back(), labels);
  }
  return scores;
}

std::vector<ViewFigures> ViewMetrics::each() const {
  std::vector<ViewFigures> out;
  for (size_t i = 0; i < kinds_.size(); ++i) {
    const Metrics metrics = metrics_[i].result();
    out.push_back({kinds_[i].name, metrics.top1, metrics.loss});
  }
  return out;
}

}  // namespace engraft
