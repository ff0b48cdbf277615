#include "engraft/train/average.h"

#include <gtest/gtest.h>

#include <cmath>

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

}  // namespace
}  // namespace engraft
