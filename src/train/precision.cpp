#include "engraft/train/precision.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace engraft {
namespace {

constexpr int64_t kTrialSteps = 4;
constexpr double kClearlyFaster = 0.8;

}  // namespace

PrecisionTrial::PrecisionTrial(int64_t cut, TrainPrecision kind) {
  choice_.cut = cut;
  if (kind == TrainPrecision::automatic)
    steps_ = 0;
  else
    choice_.kind = kind;
}

PrecisionTrial::PrecisionTrial(int64_t cut, std::string refused) {
  choice_.cut = cut;
  choice_.refused = std::move(refused);
}

bool PrecisionTrial::bf16() const {
  return settled() ? choice_.kind == TrainPrecision::bf16 : steps_ % 2 == 1;
}

void PrecisionTrial::stepped(double seconds, int64_t pictures) {
  if (settled() || pictures < 1) return;
  const double spent = 1e3 * seconds / static_cast<double>(pictures);
  double& best = bf16() ? choice_.bf16 : choice_.f32;
  best = best > 0 ? std::min(best, spent) : spent;
  if (++steps_ < kTrialSteps) return;
  if (choice_.bf16 < kClearlyFaster * choice_.f32)
    choice_.kind = TrainPrecision::bf16;
  steps_ = -1;
}

std::string PrecisionChoice::text() const {
  std::ostringstream out;
  out.precision(3);
  out << name_of(kind);
  if (!refused.empty()) out << ": bf16 failed (" << refused << ")";
  if (f32 <= 0 || bf16 <= 0) return out.str();
  const bool half = kind == TrainPrecision::bf16;
  out << ": " << (half ? bf16 : f32) << " ms a picture and step, "
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
