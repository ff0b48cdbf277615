#include "engraft/train/schedule.h"

#include <gtest/gtest.h>

#include <set>

#include "support/expect_fault.h"

namespace engraft {
namespace {

ScheduleOptions of(ScheduleKind kind) {
  ScheduleOptions options;
  options.schedule = kind;
  options.warmup = 0;
  return options;
}

void expect_course(const ScheduleOptions& options,
                   const std::vector<double>& expected) {
  const Schedule schedule(options, std::ssize(expected));
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(schedule.factor(static_cast<int64_t>(i)), expected[i], 1e-8)
        << name_of(options.schedule) << " in step " << i;
}

// The numbers of Python's torch.optim.lr_scheduler with rate 1 over as many
// steps: CosineAnnealingLR(10), LinearLR(1, .2, 10), MultiStepLR([4, 7], .1),
// ExponentialLR(.01 ** .1), CosineAnnealingWarmRestarts(4, 2, eta_min=.1). Of
// milestones: MultiStepLR([3, 6, 9], .1), ([2, 9, 10], .3) of 12 steps, and
// ([9], .1) behind three steps of warm-up.
TEST(Schedule, GoesAsPythonsDo) {
  expect_course(of(ScheduleKind::cosine),
                {1.0, 0.975528258, 0.904508497, 0.793892626, 0.654508497, 0.5,
                 0.345491503, 0.206107374, 0.095491503, 0.024471742});
  auto linear = of(ScheduleKind::linear);
  linear.floor = 0.2;
  expect_course(linear,
                {1.0, 0.92, 0.84, 0.76, 0.68, 0.6, 0.52, 0.44, 0.36, 0.28});
  expect_course(of(ScheduleKind::step),
                {1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01});
  expect_course(of(ScheduleKind::exponential),
                {1.0, 0.630957344, 0.398107171, 0.251188643, 0.158489319, 0.1,
                 0.063095734, 0.039810717, 0.025118864, 0.015848932});
  auto restarts = of(ScheduleKind::restarts);
  restarts.floor = 0.1;
  restarts.cycles = 2;
  restarts.cycle_growth = 2;
  expect_course(restarts, {1.0, 0.868198052, 0.55, 0.231801948, 1.0, 0.96574579,
                           0.868198052, 0.722207545, 0.55, 0.377792455,
                           0.231801948, 0.13425421});
}

TEST(Schedule, MilestonesAreThoseOfMultiStepLR) {
  auto step = of(ScheduleKind::step);
  step.milestones = {{0.3, 0.6, 0.9}};
  expect_course(step, {1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001});
  step.milestones = {{2 / 12.0, 9 / 12.0, 10 / 12.0}};
  step.drop_factor = 0.3;
  expect_course(
      step, {1.0, 1.0, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.09, 0.027, 0.027});
  // Shares of all steps, those of the warm-up too.
  step.drop_factor = 0.1;
  step.warmup = 0.25;
  step.milestones = {{9 / 12.0}};
  expect_course(step, {1 / 3.0, 2 / 3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.1,
                       0.1, 0.1});
  step.validate();
}

TEST(Schedule, MilestonesInOrderBetweenTheWarmUpAndTheEnd) {
  auto options = of(ScheduleKind::step);
  const auto expect_refused = [&](std::vector<double> shares,
                                  const std::string& part) {
    options.milestones = {std::move(shares)};
    EXPECT_FAULT(options.validate(), Fault::usage, part);
  };
  expect_refused({}, "--milestones: no share is given");
  expect_refused({0.6, 0.3}, "--milestones: 0.3 comes after 0.6");
  expect_refused({0.3, 0.3}, "--milestones: 0.3 comes after 0.3");
  expect_refused({0.5, 1}, "--milestones: 1 is not between 0");
  options.warmup.reset();
  expect_refused({0.1}, "--milestones: 0.1 is not between 0.1, where the warm");
  options.drops = 2;
  expect_refused({0.5}, "--milestones and --drops exclude each other");
  options.drops.reset();
  options.schedule = ScheduleKind::cosine;
  expect_refused({0.5}, "--milestones is not used by --schedule cosine");
}

TEST(Schedule, ConstantAndInverseByTheirFormulas) {
  expect_course(of(ScheduleKind::constant), {1, 1, 1});
  auto inverse = of(ScheduleKind::inverse);
  inverse.inverse_rate = 4;
  expect_course(inverse, {1, 1 / 2.0, 1 / 3.0, 1 / 4.0});
}

TEST(Schedule, WarmUpRisesInALineToAnyCourse) {
  for (const ScheduleFamily& family : schedule_families()) {
    if (family.kind == ScheduleKind::one_cycle) continue;
    auto options = of(family.kind);
    options.warmup = 0.4;
    const Schedule schedule(options, 10);
    for (int64_t step = 0; step < 4; ++step)
      EXPECT_NEAR(schedule.factor(step), 0.25 * static_cast<double>(step + 1),
                  1e-12);
    EXPECT_NEAR(schedule.factor(4), 1, 1e-12) << name_of(family.kind);
  }
}

TEST(Schedule, OneCycleRisesFromATwentyFifthAndFallsToNothing) {
  ScheduleOptions options;
  options.schedule = ScheduleKind::one_cycle;
  const Schedule schedule(options, 100);
  EXPECT_NEAR(schedule.factor(0), 0.04, 1e-12);
  EXPECT_NEAR(schedule.factor(15), 0.52, 1e-12);  // half way up
  EXPECT_NEAR(schedule.factor(30), 1, 1e-12);
  EXPECT_NEAR(schedule.factor(65), 0.5, 1e-5);
  EXPECT_NEAR(schedule.factor(100), 4e-6, 1e-12);
}

TEST(Schedule, PlateauDropsWhenTheLossStandsStill) {
  auto options = of(ScheduleKind::plateau);
  options.plateau_patience = 2;
  options.drop_factor = 0.5;
  Schedule schedule(options, 10);
  const std::vector<std::pair<double, double>> epochs{
      {1.0, 1},   {0.9, 1},   {0.95, 1},  {0.9, 0.5},
      {0.8, 0.5}, {0.9, 0.5}, {0.9, 0.25}};
  for (const auto& [loss, factor] : epochs) {
    schedule.epoch_ended(loss);
    EXPECT_DOUBLE_EQ(schedule.factor(3), factor) << loss;
  }
}

TEST(Schedule, CyclesEndBeforeTheRateRisesAgain) {
  auto options = of(ScheduleKind::restarts);
  options.cycles = 4;
  const Schedule schedule(options, 20);
  std::vector<int64_t> ends;
  for (int64_t step = 0; step < 20; ++step)
    if (schedule.ends_cycle(step)) ends.push_back(step);
  EXPECT_EQ(ends, (std::vector<int64_t>{4, 9, 14, 19}));
  EXPECT_FALSE(Schedule(of(ScheduleKind::cosine), 20).ends_cycle(19));
}

/// Every option that some course uses, on every course.
TEST(Schedule, TheTableSaysWhatEachCourseTakes) {
  ScheduleOptions all;
  all.floor = all.drop_factor = all.inverse_rate = all.cycle_growth = 0.5;
  all.drops = all.cycles = all.plateau_patience = 3;
  all.milestones = {{0.5}};
  for (const ScheduleFamily& family : schedule_families()) {
    std::set<std::string> used(family.parameters.begin(),
                               family.parameters.end());
    const Json names = to_json(all);
    for (const auto& [name, value] : names.items()) {
      if (name == "schedule" || name == "warmup") continue;
      auto options = of(family.kind);
      ScheduleOptions::fields(
          options, [&, name = name, value = value](const char* field, auto& one,
                                                   const char*, const auto&) {
            if (name == field) read_value(name, value, one);
          });
      if (used.contains(name))
        EXPECT_NO_THROW(options.validate()) << name_of(family.kind) << name;
      else
        EXPECT_FAULT(options.validate(), Fault::usage,
                     "--" + name + " is not used by --schedule " +
                         std::string(name_of(family.kind)));
    }
  }
}

TEST(Schedule, WhatACourseDoesNotUseIsRefused) {
  auto options = of(ScheduleKind::cosine);
  options.drop_factor = 0.5;
  EXPECT_FAULT(options.validate(), Fault::usage,
               "--drop-factor is not used by --schedule cosine");
  options = of(ScheduleKind::exponential);
  options.floor = 0;
  EXPECT_FAULT(options.validate(), Fault::usage, "--floor 0");
  options = of(ScheduleKind::restarts);
  options.cycles = 5;
  options.validate();
  // Every kind has its row.
  std::set<ScheduleKind> kinds;
  for (const ScheduleFamily& family : schedule_families())
    kinds.insert(family.kind);
  EXPECT_EQ(kinds.size(), EnumNames<ScheduleKind>::value.size());
}

}  // namespace
}  // namespace engraft
