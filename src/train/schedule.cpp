#include "engraft/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

namespace engraft {
namespace {

/// Falls from 1 to 0 over t in [0, 1].
struct ScheduleRow {
  ScheduleKind kind;
  double (*factor)(double t);
};
constexpr ScheduleRow kSchedules[] = {
    {ScheduleKind::constant, [](double) { return 1.0; }},
    {ScheduleKind::linear, [](double t) { return 1.0 - t; }},
    {ScheduleKind::cosine,
     [](double t) { return 0.5 * (1.0 + std::cos(std::numbers::pi * t)); }},
};

}  // namespace

double schedule_factor(ScheduleKind kind, double warmup, int64_t step,
                       int64_t steps) {
  const auto rising = static_cast<int64_t>(warmup * static_cast<double>(steps));
  if (step < rising)
    return static_cast<double>(step + 1) / static_cast<double>(rising);
  const int64_t rest = std::max<int64_t>(steps - rising, 1);
  const double t =
      static_cast<double>(step - rising) / static_cast<double>(rest);
  for (const ScheduleRow& row : kSchedules)
    if (row.kind == kind) return row.factor(std::min(t, 1.0));
  throw std::logic_error("a schedule is missing");
}

}  // namespace engraft
