#include "cli/report_text.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "cli/ensemble_text.h"
#include "cli/sampled_text.h"
#include "cli/text.h"

namespace engraft::cli {
namespace {

constexpr size_t kMostClasses = 20, kMostPairs = 10;
const std::string kIndent(10, ' ');

using Row = std::vector<std::string>;

bool top5_says_something(const Report& report) {
  const auto& matrix = report.main.metrics.confusion;
  return matrix.size() > 5 ||
         (!matrix.empty() && matrix[0].size() > matrix.size());
}

std::string views_of(const Evaluation& evaluation) {
  const auto& scales = evaluation.scales;
  const std::string crops = counted(evaluation.crops, "crop");
  if (scales.size() > 1)
    return crops + ", " + counted(std::ssize(scales), "scale");
  return scales.at(0) == 1 ? crops : crops + ", scale " + brief(scales.at(0));
}

Row figures(const Evaluation& evaluation) {
  const Metrics& m = evaluation.metrics;
  return {
      views_of(evaluation),
      percent(m.top1),
      fixed(100 * m.top1_ci95.first, 1) + " to " + percent(m.top1_ci95.second),
      percent(m.top5),
      percent(m.mean_per_class),
      fixed(m.macro_f1, 3),
      fixed(m.loss, 3),
      duration(evaluation.seconds)};
}

std::string figure_table(const Report& report) {
  std::vector<Row> rows{{"", "top-1", "95 % interval", "top-5", "per class",
                         "macro F1", "log loss", "time"}};
  rows.push_back(figures(report.one_crop));
  if (views_of(report.main) != views_of(report.one_crop))
    rows.push_back(figures(report.main));
  if (report.sampled) {
    rows.push_back(figures(report.sampled->evaluation));
    rows.back()[0] += ", " + masks_label(*report.sampled);
  }
  for (size_t i = 0; i < report.members.size(); ++i) {
    rows.push_back(figures(report.members[i].main));
    rows.back()[0] = model_label(i);
  }
  if (!top5_says_something(report))
    for (auto& row : rows) row.erase(row.begin() + 3);
  return table(rows, kIndent);
}

/// What each kind of view brings over the centre crop.
std::string view_table(const Report& report) {
  // The centre and the crops are in the figures already.
  if (report.views.size() < 3) return "";
  std::vector<Row> rows{{"", "top-1", "points", "log loss"}};
  for (const auto& [view, top1, loss] : report.views) {
    const double gain = 100 * (top1 - report.views.front().top1);
    rows.push_back({view, percent(top1),
                    std::string(gain < 0 ? "" : "+") + fixed(gain, 1),
                    fixed(loss, 3)});
  }
  return "views\n" + table(rows, kIndent);
}

std::string column_name(const Report& report, size_t column) {
  return column < report.classes.size() ? report.classes[column] : "other";
}

std::string whole_matrix(const Report& report) {
  const auto& matrix = report.main.metrics.confusion;
  const bool other = !matrix.empty() && matrix[0].size() > matrix.size();
  Row head{"truth \\ predicted"};
  for (size_t c = 0; c < matrix.size(); ++c) head.push_back(std::to_string(c));
  if (other) head.push_back("other");
  std::vector<Row> rows{head};
  for (size_t r = 0; r < matrix.size(); ++r) {
    rows.push_back({std::to_string(r) + " " + report.classes[r]});
    for (const int64_t count : matrix[r])
      rows.back().push_back(count ? std::to_string(count) : ".");
  }
  return "confusion\n" + table(rows, kIndent);
}

std::string worst_pairs(const Report& report) {
  std::vector<std::tuple<int64_t, size_t, size_t>> pairs;
  const auto& matrix = report.main.metrics.confusion;
  for (size_t r = 0; r < matrix.size(); ++r)
    for (size_t c = 0; c < matrix[r].size(); ++c)
      if (r != c && matrix[r][c] > 0) pairs.emplace_back(-matrix[r][c], r, c);
  if (pairs.empty()) return paragraph("confusion", "none");
  std::sort(pairs.begin(), pairs.end());
  std::string out = paragraph("confusion", "most often (truth: predicted as)");
  for (size_t i = 0; i < std::min(kMostPairs, pairs.size()); ++i) {
    const auto [count, row, column] = pairs[i];
    out += kIndent + std::to_string(-count) + " x " + report.classes[row] +
           ": " + column_name(report, column) + "\n";
  }
  return out;
}

}  // namespace

std::string report_text(const Report& report) {
  const std::string out =
      models_text(report) +
      paragraph("test", counted(report.main.metrics.images, "picture") + " (" +
                            report.split + "), " +
                            counted(std::ssize(report.classes), "class")) +
      figure_table(report) + view_table(report) + gain_text(report) +
      sampled_text(report);
  return out + (report.classes.size() > kMostClasses ? worst_pairs(report)
                                                     : whole_matrix(report));
}

}  // namespace engraft::cli
