#include "engraft/train/average.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

namespace engraft {
namespace {

MixOptions of(WeightAverage kind) {
  MixOptions options;
  options.average = kind;
  return options;
}

TEST(WeightAverager, EmaByItsFormula) {
  auto options = of(WeightAverage::ema);
  options.average_decay = 0.5;
  auto w = torch::zeros({2});
  WeightAverager averager(options, {w}, 100, 1);
  EXPECT_FALSE(averager.ready());
  double expected = 0;
  for (int n = 1; n <= 20; ++n) {
    w.fill_(n);
    averager.stepped();
    const double decay = std::min(0.5, (1.0 + n) / (10.0 + n));
    expected = decay * expected + (1 - decay) * n;
  }
  averager.epoch_ended();
  ASSERT_TRUE(averager.ready());
  averager.apply();
  EXPECT_NEAR(w[0].item<float>(), expected, 1e-5);
  EXPECT_EQ(w[0].item<float>(), w[1].item<float>());
}

TEST(WeightAverager, SwaIsTheMeanOfTheLastEpochs) {
  auto options = of(WeightAverage::swa);
  options.average_from = 0.4;
  auto w = torch::zeros({1});
  WeightAverager averager(options, {w}, 100, 5);
  for (int epoch = 1; epoch <= 5; ++epoch) {
    w.fill_(epoch * epoch);
    averager.stepped();
    averager.epoch_ended();
    // After epoch 3 there is one, after epoch 4 a mean.
    EXPECT_EQ(averager.ready(), epoch >= 4) << epoch;
  }
  averager.apply();
  EXPECT_NEAR(w.item<float>(), (9 + 16 + 25) / 3.0, 1e-5);
}

TEST(WeightAverager, NoneIsNotThere) {
  EXPECT_EQ(make_averager(of(WeightAverage::none), {}, 1, 1), nullptr);
}

/// Weights of one value, and how they validated.
Checkpoint checkpoint(int64_t epoch, double value, double accuracy,
                      double loss) {
  const auto w = torch::zeros({2});
  return {{{w, torch::full({2}, value, torch::kFloat)}}, accuracy, loss, epoch};
}

/// What of checkpoints went into a soup, and what was validated on the way.
class GreedySoup : public testing::Test {
 protected:
  /// verdicts  accuracy and loss of each mean that is validated, in turn
  std::vector<Checkpoint> make(
      std::vector<Checkpoint> checkpoints,
      std::vector<std::pair<double, double>> verdicts) {
    auto soup = greedy_soup(
        std::move(checkpoints), [&](const LiveChain::Snapshot& mean) {
          const auto [accuracy, loss] = verdicts.at(judged_.size());
          judged_.push_back(mean.at(0).second[0].item<float>());
          return Checkpoint{{}, accuracy, loss};
        });
    EXPECT_EQ(judged_.size(), verdicts.size());
    for (const Checkpoint& member : soup) members_.push_back(member.epoch);
    return soup;
  }

  std::vector<float> judged_;
  std::vector<int64_t> members_;
};

TEST(MeanOf, IsOfNumbersAndTakesWholeNumbersFromTheFirst) {
  const auto w = torch::zeros({2}), count = torch::zeros({}, torch::kLong);
  const auto with = [&](float a, float b, int64_t n) {
    return Checkpoint{{{w, torch::tensor({a, b})}, {count, torch::tensor(n)}}};
  };
  const std::vector<Checkpoint> three = {with(1, 2, 5), with(3, 6, 6),
                                         with(8, 1, 10)};
  const auto mean = mean_of(three);
  ASSERT_EQ(mean.size(), 2u);
  EXPECT_TRUE(mean[0].second.equal(torch::tensor({4.F, 3.F})));
  EXPECT_TRUE(mean[1].second.equal(torch::tensor(int64_t{5})));
  // It is for the same tensors, and the checkpoints are as they were.
  EXPECT_TRUE(mean[0].first.is_same(w));
  EXPECT_TRUE(mean[1].first.is_same(count));
  EXPECT_TRUE(three[0].state[0].second.equal(torch::tensor({1.F, 2.F})));
  EXPECT_TRUE(mean_of({three[2]})[0].second.equal(torch::tensor({8.F, 1.F})));
}

TEST_F(GreedySoup, BeginsWithTheBestAndLeavesOutWhatMakesItWorse) {
  const auto soup =
      make({checkpoint(1, 1, 0.7, 0.5), checkpoint(2, 2, 0.9, 0.5),
            checkpoint(3, 4, 0.8, 0.5), checkpoint(4, 8, 0.6, 0.5)},
           // of epochs 2 and 3; 2 and 1; 2, 1 and 4
           {{0.85, 0.5}, {0.9, 0.5}, {0.95, 0.5}});
  EXPECT_EQ(members_, (std::vector<int64_t>{2, 1, 4}));
  ASSERT_EQ(judged_.size(), 3u);
  EXPECT_FLOAT_EQ(judged_[0], (2 + 4) / 2.F);
  EXPECT_FLOAT_EQ(judged_[1], (2 + 1) / 2.F);  // as good is good enough
  EXPECT_FLOAT_EQ(judged_[2], (2 + 1 + 8) / 3.F);
  EXPECT_FLOAT_EQ(mean_of(soup)[0].second[1].item<float>(), 11 / 3.F);
}

TEST_F(GreedySoup, MeasuresAgainstTheSoupSoFarByLossAmongEquals) {
  make({checkpoint(1, 1, 0.80, 0.5), checkpoint(2, 1, 0.79, 0.5),
        checkpoint(3, 1, 0.78, 0.5), checkpoint(4, 1, 0.77, 0.5),
        checkpoint(5, 1, 0.76, 0.5)},
       // Joins; better than epoch 1 alone, but not than the soup; the same
       // accuracy with a higher loss; with a lower one.
       {{0.9, 0.5}, {0.85, 0.1}, {0.9, 0.6}, {0.9, 0.4}});
  EXPECT_EQ(members_, (std::vector<int64_t>{1, 2, 5}));
}

TEST_F(GreedySoup, OfEqualAccuracyTheLowerLossComesFirstThenTheEarlierOne) {
  make({checkpoint(1, 1, 0.8, 0.5), checkpoint(2, 1, 0.8, 0.4),
        checkpoint(3, 1, 0.8, 0.5), checkpoint(4, 1, 0.9, 0.9)},
       {{1, 0.1}, {1, 0.1}, {1, 0.1}});
  EXPECT_EQ(members_, (std::vector<int64_t>{4, 2, 1, 3}));
}

TEST_F(GreedySoup, OneAloneIsNotValidatedAgain) {
  make({checkpoint(7, 1, 0.8, 0.5)}, {});
  EXPECT_EQ(members_, std::vector<int64_t>{7});
}

}  // namespace
}  // namespace engraft
