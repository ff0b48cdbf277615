#include "cli/ensemble_text.h"

#include <vector>

#include "cli/text.h"

namespace engraft::cli {

std::string model_label(int64_t index) {
  return "model " + std::to_string(index + 1);
}

std::string models_text(const Report& report) {
  if (report.members.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const Report& member : report.members)
    rows.push_back({model_label(std::ssize(rows)) + "  " + member.model});
  return paragraph("models", "the mean of their probabilities is tested") +
         table(rows, std::string(10, ' '));
}

std::string gain_text(const Report& report) {
  if (!report.gain) return "";
  constexpr double kLevel = 0.05;
  const Gain& gain = *report.gain;
  const std::string points = fixed(100 * gain.top1, 1) + " points of top-1";
  return paragraph(
      "gain",
      std::string(gain.top1 > 0 ? "+" : "") + points + " over " +
          model_label(gain.best) + ", the best by itself: right on " +
          counted(gain.won, "picture") + " that it gets wrong, wrong " + "on " +
          std::to_string(gain.lost) +
          " that it gets right. By McNemar's exact test p = " +
          brief(gain.p_value) +
          (gain.p_value < kLevel ? ": hardly chance" : ": it may be chance"));
}

}  // namespace engraft::cli
