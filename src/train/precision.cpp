#include "engraft/train/precision.h"

#include <algorithm>
#include <sstream>

#include "model/difference.h"
#include "model/graph.h"
#include "out_of_memory.h"

namespace engraft {
namespace {

constexpr int64_t kTimedSteps = 2;
constexpr double kClearlyFaster = 0.8;
// Wide of what eight bits a number do over fifty layers: MobileNetV2,
// EfficientNet-Lite0 and resnet18 pass.
constexpr double kLogits = 0.1, kCosine = 0.9;

double milliseconds(const PrecisionStep& step) {
  return 1e3 * step.seconds /
         static_cast<double>(std::max<int64_t>(step.pictures, 1));
}

/// "" where bfloat16 is float32 but for rounding.
std::string difference(const PrecisionStep& seen, const PrecisionStep& exact) {
  std::ostringstream out;
  out.precision(2);
  const double logits = relative_difference(seen.logits, exact.logits);
  const double cosine =
      torch::cosine_similarity(seen.gradient, exact.gradient, 0).item<double>();
  // Written so that what is no number is out.
  if (!(logits <= kLogits))
    out << "its logits differ by " << logits << " of their size";
  else if (!(cosine >= kCosine))
    out << "its gradient has another direction, cosine " << cosine;
  return out.str();
}

/// What the step fails with, "" when it does not.
std::string failure(const std::function<PrecisionStep(bool)>& step,
                    PrecisionStep& out) {
  try {
    out = step(true);
    return "";
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) throw;
    return "it failed: " + last_line(error.what());
  }
}

}  // namespace

PrecisionChoice compare_precisions(
    int64_t cut, const std::function<PrecisionStep(bool bf16)>& step) {
  PrecisionChoice out;
  out.cut = cut;
  const PrecisionStep exact = step(false);
  PrecisionStep rounded;
  out.refused = failure(step, rounded);
  if (out.refused.empty()) out.refused = difference(rounded, exact);
  if (!out.refused.empty()) return out;
  for (int64_t i = 0; i < kTimedSteps; ++i)
    for (const bool bf16 : {false, true}) {
      const double spent = milliseconds(step(bf16));
      double& best = bf16 ? out.bf16 : out.f32;
      best = i > 0 ? std::min(best, spent) : spent;
    }
  if (out.bf16 < kClearlyFaster * out.f32) out.kind = TrainPrecision::bf16;
  return out;
}

std::string PrecisionChoice::text() const {
  std::ostringstream out;
  out.precision(3);
  out << name_of(kind);
  if (!refused.empty()) out << "; not bf16: " << refused;
  if (f32 <= 0 || bf16 <= 0) return out.str();
  const bool half = kind == TrainPrecision::bf16;
  out << ": " << (half ? bf16 : f32) << " ms a picture, "
      << (half ? "f32 " : "bf16 ") << (half ? f32 : bf16);
  return out.str();
}

Json to_json(const PrecisionChoice& choice) {
  return {{"cut", choice.cut},
          {"kind", std::string(name_of(choice.kind))},
          {"f32_milliseconds", choice.f32},
          {"bf16_milliseconds", choice.bf16},
          {"refused", choice.refused}};
}

}  // namespace engraft
