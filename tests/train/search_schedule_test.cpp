#include "engraft/train/search_schedule.h"

#include <gtest/gtest.h>

#include <functional>

namespace engraft {
namespace {

std::vector<TrialOptions> candidates(int64_t count) {
  std::vector<TrialOptions> out;
  for (int64_t i = 1; i <= count; ++i)
    out.push_back({{"lr", static_cast<double>(i)}});
  return out;
}

using Objective = std::function<TrialResult(const Trial&)>;

TrialResult accuracy(const Trial& trial, double value) {
  TrialResult out;
  out.number = trial.number;
  out.rung = trial.rung;
  out.options = trial.options;
  out.val_accuracy = value;
  return out;
}

/// "number.rung" of all trainings in their order.
std::vector<std::string> course(SearchMethod method, int64_t count,
                                const Objective& run,
                                std::vector<TrialResult> finished = {}) {
  std::vector<std::string> out;
  while (auto trial = next_trial(method, candidates(count), finished)) {
    out.push_back(std::to_string(trial->number) + "." +
                  std::to_string(trial->rung));
    finished.push_back(run(*trial));
  }
  return out;
}

TEST(SearchSchedule, RandomAndGridTakeEachCandidateOnceWithAllEpochs) {
  for (const auto method : {SearchMethod::random, SearchMethod::grid}) {
    const auto run = [](const Trial& trial) {
      EXPECT_EQ(trial.share, 1);
      EXPECT_EQ(trial.options["lr"], static_cast<double>(trial.number));
      return accuracy(trial, 0.5);
    };
    EXPECT_EQ(course(method, 3, run),
              (std::vector<std::string>{"1.0", "2.0", "3.0"}));
  }
}

// By hand: the higher the number, the better. Of three, 3 is the best and
// rises. 4 and 5 are then the best of four and of five; with 5, rung 1 holds
// three, and 5 rises on. From there each one rises twice: of six and more the
// best floor(n / 3) always hold the newest.
TEST(SearchSchedule, HalvingPromotesTheBestThirdAsSoonAsItIsOne) {
  const auto run = [](const Trial& trial) {
    const double shares[] = {1.0 / 9, 1.0 / 3, 1};
    EXPECT_DOUBLE_EQ(trial.share, shares[trial.rung]);
    return accuracy(trial, 0.01 * static_cast<double>(trial.number));
  };
  EXPECT_EQ(course(SearchMethod::halving, 9, run),
            (std::vector<std::string>{"1.0", "2.0", "3.0", "3.1", "4.0", "4.1",
                                      "5.0", "5.1", "5.2", "6.0", "6.1", "6.2",
                                      "7.0", "7.1", "7.2", "8.0", "8.1", "8.2",
                                      "9.0", "9.1", "9.2"}));
}

// The lower the number, the better: 1 rises at three, 2 at six, 3 at nine;
// then rung 1 holds three, and its best one rises.
TEST(SearchSchedule, HalvingTrainsFewTimesWhereTheFirstAreTheBest) {
  const auto run = [](const Trial& trial) {
    return accuracy(trial, 1 - 0.01 * static_cast<double>(trial.number));
  };
  EXPECT_EQ(
      course(SearchMethod::halving, 9, run),
      (std::vector<std::string>{"1.0", "2.0", "3.0", "1.1", "4.0", "5.0", "6.0",
                                "2.1", "7.0", "8.0", "9.0", "3.1", "1.2"}));
}

TEST(SearchSchedule, TheBestOfTooFewRisesToTheTop) {
  const auto run = [](const Trial& trial) { return accuracy(trial, 0.5); };
  EXPECT_EQ(course(SearchMethod::halving, 2, run),
            (std::vector<std::string>{"1.0", "2.0", "1.1", "1.2"}));
}

TEST(SearchSchedule, AWholeTrialRisesWithoutTraining) {
  const auto run = [](const Trial& trial) {
    TrialResult out = accuracy(trial, trial.number == 2 ? 0.9 : 0.5);
    out.whole = trial.number == 2;
    return out;
  };
  // 2 is the best throughout, so no other rises.
  EXPECT_EQ(course(SearchMethod::halving, 3, run),
            (std::vector<std::string>{"1.0", "2.0", "3.0"}));
}

TEST(SearchSchedule, FailedTrialsNeverRise) {
  const auto fails = [](const Trial& trial) {
    TrialResult out = accuracy(trial, 0);
    out.failed = "diverged";
    return out;
  };
  EXPECT_EQ(course(SearchMethod::halving, 3, fails),
            (std::vector<std::string>{"1.0", "2.0", "3.0"}));
  const auto one_works = [&](const Trial& trial) {
    return trial.number == 3 ? accuracy(trial, 0.1) : fails(trial);
  };
  EXPECT_EQ(course(SearchMethod::halving, 3, one_works),
            (std::vector<std::string>{"1.0", "2.0", "3.0", "3.1", "3.2"}));
}

TEST(SearchSchedule, GoesOnFromAnyPlaceAsIfItHadNotStopped) {
  const auto run = [](const Trial& trial) {
    return accuracy(trial, static_cast<double>(trial.number * 7 % 11));
  };
  const auto whole = course(SearchMethod::halving, 10, run);
  for (size_t stop = 0; stop <= whole.size(); ++stop) {
    std::vector<TrialResult> finished;
    for (size_t i = 0; i < stop; ++i)
      finished.push_back(
          run(*next_trial(SearchMethod::halving, candidates(10), finished)));
    const std::vector<std::string> rest(whole.begin() + stop, whole.end());
    EXPECT_EQ(course(SearchMethod::halving, 10, run, finished), rest) << stop;
  }
}

TEST(SearchSchedule, TiesGoToTheLowerLossThenTheHigherRung) {
  TrialResult a, b;
  a.number = 2;
  b.number = 1;
  a.val_accuracy = b.val_accuracy = 0.5;
  a.val_loss = 1;
  b.val_loss = 2;
  EXPECT_TRUE(is_better_trial(a, b));
  b.val_loss = 1;
  EXPECT_TRUE(is_better_trial(b, a));
  a.rung = 1;
  EXPECT_TRUE(is_better_trial(a, b));
  a.val_accuracy = 0.9;
  a.failed = "diverged";
  EXPECT_TRUE(is_better_trial(b, a));
}

}  // namespace
}  // namespace engraft
