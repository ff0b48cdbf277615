#include "train/other_weights.h"

#include <gtest/gtest.h>

#include "support/tiny_models.h"

namespace engraft {
namespace {

/// A run whose weights tell the epoch, and whose soups validate as they are
/// told to.
class SoupOfEpochs : public testing::Test {
 protected:
  SoupOfEpochs() { mix_.average = WeightAverage::soup; }

  /// accuracies  of epochs 1, 2, ...
  void run(const std::vector<double>& accuracies, double of_soups) {
    OtherWeights others(mix_, live_,
                        {[&](int64_t) -> std::optional<Validation> {
                           EXPECT_EQ(measured_, ++validated_)
                               << "batch norms come first";
                           return Validation{of_soups, 0.5, {}, {}};
                         },
                         [&](int64_t) { return ++measured_ > 0; },
                         [&](int64_t, const Validation&) {
                           kept_.push_back(weight().flatten()[0].item<float>());
                           return true;
                         }});
    for (const double accuracy : accuracies) {
      EpochResult now;
      now.epoch = std::ssize(result_.epochs) + 1;
      now.val_accuracy = accuracy;
      now.val_loss = 0.5;
      weight().fill_(static_cast<double>(now.epoch));
      others.epoch_ended(now, /*judged=*/true);
      result_.epochs.push_back(now);
    }
    others.finish(result_);
  }

  torch::Tensor weight() const { return live_.live_parameters()[0].detach(); }

  Classifier classifier_ = make_classifier(tiny::traced(false), tiny::input());
  BlockChain chain_{classifier_};
  LiveChain live_{chain_, 0};
  MixOptions mix_;
  FitResult result_;
  int validated_ = 0, measured_ = 0;
  std::vector<float> kept_;
};

TEST_F(SoupOfEpochs, IsOfTheBestFive) {
  run({0.5, 0.7, 0.6, 0.9, 0.8, 0.65, 0.85}, 0.95);
  EXPECT_EQ(result_.others.soup, (std::vector<int64_t>{4, 7, 5, 2, 6}));
  ASSERT_EQ(kept_.size(), 1u);
  EXPECT_FLOAT_EQ(kept_[0], (4 + 7 + 5 + 2 + 6) / 5.F);
  EXPECT_EQ(result_.epochs.back().average_val_accuracy, 0.95);
  EXPECT_TRUE(result_.epochs.back().average_is_best);
}

TEST_F(SoupOfEpochs, ThatMakesNoneBetterIsNone) {
  run({0.7, 0.9, 0.8}, 0.85);
  EXPECT_EQ(validated_, 2);
  EXPECT_TRUE(result_.others.soup.empty());
  EXPECT_TRUE(kept_.empty());
  EXPECT_FALSE(result_.epochs.back().average_val_accuracy);
}

TEST_F(SoupOfEpochs, TakesMoreThanOne) {
  run({0.7}, 0.9);
  EXPECT_EQ(validated_, 0);
  EXPECT_TRUE(result_.others.soup.empty());
}

}  // namespace
}  // namespace engraft
