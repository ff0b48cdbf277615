#include "cli/plan_text.h"

#include <algorithm>

#include "cli/help.h"
#include "cli/text.h"

namespace engraft::cli {
namespace {

/// The 2x2 table of size and similarity with this data's place in it.
std::string quadrant(const TransferPlan& plan) {
  std::vector<std::vector<std::string>> rows{{""}};
  for (const auto column : EnumNames<SimilarityClass>::value)
    rows[0].emplace_back(column);
  for (const auto size : {SizeClass::small, SizeClass::large}) {
    rows.push_back({std::string(name_of(size))});
    for (const auto similarity :
         {SimilarityClass::similar, SimilarityClass::different})
      rows.back().push_back(
          size == plan.size && similarity == plan.similarity.verdict ? "here"
                                                                     : ".");
  }
  return table(rows, std::string(10, ' '));
}

std::string reasons(const TransferPlan& plan) {
  size_t name = 0, value = 0;
  for (const auto& reason : plan.reasons) {
    name = std::max(name, reason.decision.size());
    value = std::max(value, std::min<size_t>(reason.value.size(), 20));
  }
  std::string out;
  for (const auto& reason : plan.reasons) {
    std::string line = std::string(10, ' ') + reason.decision;
    line.resize(10 + name + 2, ' ');
    line += reason.value;
    line.resize(std::max(line.size() + 2, 10 + name + 2 + value + 2), ' ');
    const size_t indent = 10 + name + 2 + value + 2;
    out += line + wrap(reason.because, indent, line.size()) + "\n";
  }
  return out;
}

/// What looking at the pictures found.
std::string evidence_text(const Evidence& e) {
  if (!e.measured()) return "";
  std::string depths;
  for (const DepthProbe& probe : e.depths)
    depths += (depths.empty() ? "" : ", ") + percent(probe.accuracy) +
              " after block " + std::to_string(probe.cut - 1);
  std::string curve;
  for (const CurvePoint& point : e.curve)
    curve += (curve.empty() ? "" : ", ") + percent(point.accuracy) + " from " +
             std::to_string(point.pictures);
  return paragraph("evidence",
                   "a linear probe on " + std::to_string(e.pictures) +
                       " training pictures, cross-validated: " + depths +
                       "; of the last features " + curve + " pictures; LogME " +
                       fixed(e.log_me, 3) +
                       (e.leep < 0 ? ", LEEP " + fixed(e.leep, 3) : ""));
}

}  // namespace

std::string model_line(const Classifier& classifier) {
  const std::string side = std::to_string(classifier.input.crop);
  return paragraph("model", classifier.path + ": " +
                                (classifier.traced ? "traced" : "scripted") +
                                ", input " + side + "x" + side +
                                ", preprocessing from the " +
                                classifier.input.source);
}

std::string plan_text(const TransferPlan& plan) {
  std::string advice;
  for (const std::string& one : plan.advice) advice += paragraph("advice", one);
  if (plan.seconds > 0)
    advice += paragraph("time", "about " + duration(plan.seconds) +
                                    " in all, estimated from a few pictures");
  return paragraph("plan",
                   "a " + std::string(name_of(plan.size)) +
                       " set of pictures " +
                       (plan.similarity.verdict == SimilarityClass::similar
                            ? "similar to"
                            : "different from") +
                       " those that the model was pretrained on") +
         quadrant(plan) + evidence_text(plan.evidence) + reasons(plan) + advice;
}

}  // namespace engraft::cli
