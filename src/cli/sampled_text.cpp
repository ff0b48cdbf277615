#include "cli/sampled_text.h"

#include <vector>

#include "cli/text.h"

namespace engraft::cli {
namespace {

std::string cell(const std::optional<double>& value) {
  return value ? fixed(*value, 3) : "-";
}

}  // namespace

std::string masks_label(const SampledTest& test) {
  return counted(test.noise.mc_samples, "mask");
}

std::string sampled_text(const Report& report) {
  if (!report.sampled) return "";
  const SampledTest& test = *report.sampled;
  std::vector<std::vector<std::string>> rows{
      {"", "right", "wrong", "wrong above right"}};
  for (const Separation& one : test.uncertainty)
    rows.push_back({one.measure, cell(one.right), cell(one.wrong),
                    one.auroc ? percent(*one.auroc) : "-"});
  return paragraph("masks", masks_label(test) + " of " + test.text +
                                ". Their uncertainty, mean over pictures that "
                                "come out right and wrong:") +
         table(rows, std::string(10, ' '));
}

}  // namespace engraft::cli
