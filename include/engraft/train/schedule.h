#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engraft/train/options.h"

namespace engraft {

/// One course of the rate: a row of the table that the options' checks and the
/// schedule share. t is the share of the steps after the warm-up.
struct ScheduleFamily {
  ScheduleKind kind;
  std::string_view course;
  std::vector<std::string_view> parameters;  ///< flags besides --warmup
};

const std::vector<ScheduleFamily>& schedule_families();

/// Factor on the peak rates over the steps of a stage. It rises over the first
/// `warmup` share, linearly from 1 / (warm-up steps) to 1, for one-cycle by a
/// cosine from 1/25 (Smith & Topin 2018), and then takes its course:
///   constant     1
///   linear       1 - (1 - floor) t
///   cosine       floor + (1 - floor) (1 + cos(pi t)) / 2
///   step         drop-factor ^ (drops passed), evenly spaced or at
///                milestones, which are shares of all steps
///   exponential  floor ^ t
///   inverse      1 / (1 + k t)
///   restarts     cosine, begun anew `cycles` times (SGDR, Loshchilov & Hutter
///                2017)
///   one-cycle    cosine
///   plateau      1, times drop-factor after plateau-patience epochs without a
///                lower validation loss
class Schedule {
 public:
  /// steps  of the stage, at least 1
  Schedule(const ScheduleOptions& options, int64_t steps);

  double factor(int64_t step) const;
  /// Those after the warm-up.
  int64_t falling_steps() const { return steps_ - rising_; }
  /// Tells plateau how an epoch went.
  /// loss  of validation; of training where there are no pictures for it
  void epoch_ended(double loss);
  /// Whether `step` is the last one of a cycle of restarts.
  bool ends_cycle(int64_t step) const;

 private:
  ScheduleOptions options_;
  int64_t steps_, rising_;
  double reduced_ = 1, best_loss_;
  int64_t waited_ = 0;
};

}  // namespace engraft
