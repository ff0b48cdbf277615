#include "engraft/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "train/unused_flag.h"

namespace engraft {
namespace {

constexpr double kFirstOfOneCycle = 1.0 / 25, kLastOfOneCycle = 4e-6;

/// From 1 at t = 0 to `low` at t = 1.
double cosine(double t, double low) {
  return low + (1 - low) * (1 + std::cos(std::numbers::pi * t)) / 2;
}

/// Where cycle `i` of restarts begins and ends, as shares of the course.
std::vector<double> cycle_ends(const ScheduleOptions& o) {
  const double growth = o.cycle_growth.value_or(1);
  std::vector<double> ends{0};
  double length = 1;
  for (int64_t i = 0; i < o.cycles.value_or(3); ++i, length *= growth)
    ends.push_back(ends.back() + length);
  for (double& end : ends) end /= ends.back();
  return ends;
}

double restarts(double t, const ScheduleOptions& o) {
  const auto ends = cycle_ends(o);
  const auto after = std::ranges::upper_bound(ends, t);
  if (after == ends.end()) return o.floor.value_or(0);
  const double begin = *(after - 1);
  return cosine((t - begin) / (*after - begin), o.floor.value_or(0));
}

/// A step that is a milestone may come out a rounding before it.
constexpr double kRounding = 1e-9;

double drops_passed(double t, const ScheduleOptions& o) {
  if (o.milestones)
    return static_cast<double>(std::ranges::count_if(
        o.milestones->values,
        [&](double milestone) { return milestone <= t + kRounding; }));
  const auto drops = static_cast<double>(o.drops.value_or(2));
  return std::min(std::floor(t * (drops + 1) + kRounding), drops);
}

double steps_down(double t, const ScheduleOptions& o) {
  return std::pow(o.drop_factor.value_or(0.1), drops_passed(t, o));
}

double warmup_share(const ScheduleOptions& o) {
  return o.warmup.value_or(o.schedule == ScheduleKind::one_cycle ? 0.3 : 0.1);
}

/// A family with its course.
struct Row : ScheduleFamily {
  double (*factor)(double t, const ScheduleOptions& o);
};

const std::vector<Row>& rows() {
  using O = ScheduleOptions;
  static const std::vector<Row> table{
      {{ScheduleKind::constant, "stays", {}},
       [](double, const O&) { return 1.0; }},
      {{ScheduleKind::linear, "falls in a line", {"floor"}},
       [](double t, const O& o) { return 1 - (1 - o.floor.value_or(0)) * t; }},
      {{ScheduleKind::cosine, "falls like a cosine", {"floor"}},
       [](double t, const O& o) { return cosine(t, o.floor.value_or(0)); }},
      {{ScheduleKind::step,
        "drops now and then",
        {"drops", "milestones", "drop-factor"}},
       steps_down},
      {{ScheduleKind::exponential, "falls by equal shares", {"floor"}},
       [](double t, const O& o) {
         return std::pow(o.floor.value_or(0.01), t);
       }},
      {{ScheduleKind::inverse, "falls like 1 / t", {"inverse-rate"}},
       [](double t, const O& o) {
         return 1 / (1 + o.inverse_rate.value_or(9) * t);
       }},
      {{ScheduleKind::restarts,
        "falls like a cosine, again and again",
        {"floor", "cycles", "cycle-growth"}},
       restarts},
      {{ScheduleKind::one_cycle, "rises long and falls to nothing", {"floor"}},
       [](double t, const O& o) {
         return cosine(t, o.floor.value_or(kLastOfOneCycle));
       }},
      {{ScheduleKind::plateau,
        "drops when validation stands still",
        {"drop-factor", "plateau-patience"}},
       [](double, const O&) { return 1.0; }},
  };
  return table;
}

const Row& row_of(ScheduleKind kind) {
  return *std::ranges::find(rows(), kind, &Row::kind);
}

void check_milestones(const ScheduleOptions& o) {
  if (!o.milestones) return;
  if (o.drops)
    fail(Fault::usage, "--milestones and --drops exclude each other: the one ",
         "says where the rate drops, the other how often");
  const std::vector<double>& shares = o.milestones->values;
  if (shares.empty()) fail(Fault::usage, "--milestones: no share is given");
  for (size_t i = 0; i < shares.size(); ++i) {
    if (shares[i] <= warmup_share(o) || shares[i] >= 1)
      fail(Fault::usage, "--milestones: ", shares[i], " is not between ",
           warmup_share(o),
           ", where the warm-up ends (--warmup), and 1, where ",
           "the stage does");
    if (i > 0 && shares[i] <= shares[i - 1])
      fail(Fault::usage, "--milestones: ", shares[i], " comes after ",
           shares[i - 1], ": give them in their order, each once");
  }
}

/// The options with milestones as shares of the steps after the warm-up.
ScheduleOptions after_warmup(ScheduleOptions o, double steps, double rising) {
  if (o.milestones)
    for (double& share : o.milestones->values)
      share = (share * steps - rising) / std::max(steps - rising, 1.0);
  return o;
}

}  // namespace

const std::vector<ScheduleFamily>& schedule_families() {
  static const std::vector<ScheduleFamily> families(rows().begin(),
                                                    rows().end());
  return families;
}

void ScheduleOptions::validate() const {
  const Row& row = row_of(schedule);
  const std::string unused = unused_flag(*this, row.parameters, rows());
  if (!unused.empty())
    fail(Fault::usage, unused, " is not used by --schedule ", name_of(schedule),
         ", which ", row.course);
  check_milestones(*this);
  if (schedule == ScheduleKind::exponential && floor && *floor == 0)
    fail(Fault::usage,
         "--schedule exponential never reaches --floor 0: give a share above "
         "0");
}

Schedule::Schedule(const ScheduleOptions& options, int64_t steps)
    : steps_(steps),
      rising_(static_cast<int64_t>(warmup_share(options) *
                                   static_cast<double>(steps))),
      best_loss_(std::numeric_limits<double>::infinity()) {
  options_ = after_warmup(options, static_cast<double>(steps_),
                          static_cast<double>(rising_));
}

double Schedule::factor(int64_t step) const {
  if (step < rising_) {
    const auto rising = static_cast<double>(rising_);
    if (options_.schedule == ScheduleKind::one_cycle)
      return cosine(1 - static_cast<double>(step) / rising, kFirstOfOneCycle);
    return static_cast<double>(step + 1) / rising;
  }
  const auto rest = static_cast<double>(std::max<int64_t>(steps_ - rising_, 1));
  const double t = static_cast<double>(step - rising_) / rest;
  return reduced_ *
         row_of(options_.schedule).factor(std::min(t, 1.0), options_);
}

void Schedule::epoch_ended(double loss) {
  if (options_.schedule != ScheduleKind::plateau) return;
  if (loss < best_loss_) {
    best_loss_ = loss;
    waited_ = 0;
  } else if (++waited_ >= options_.plateau_patience.value_or(2)) {
    reduced_ *= options_.drop_factor.value_or(0.1);
    waited_ = 0;
  }
}

bool Schedule::ends_cycle(int64_t step) const {
  if (options_.schedule != ScheduleKind::restarts || step < rising_)
    return false;
  const auto rest = static_cast<double>(std::max<int64_t>(steps_ - rising_, 1));
  const double t = static_cast<double>(step - rising_) / rest;
  const double next = static_cast<double>(step + 1 - rising_) / rest;
  const auto ends = cycle_ends(options_);
  return std::ranges::any_of(
      ends, [&](double end) { return t < end - 1e-9 && end <= next + 1e-9; });
}

}  // namespace engraft
