#include "train/best_weights.h"

#include <gtest/gtest.h>

#include "support/tiny_models.h"

namespace engraft {
namespace {

/// Epochs of given right answers on 20 pictures of two classes.
class BestEpoch : public testing::Test {
 protected:
  /// first, last  the pictures that are right
  static Validation seen(int64_t first, int64_t last) {
    Validation out;
    out.labels = torch::zeros({kPictures}, torch::kLong);
    out.logits = torch::tensor({0.F, 1.F}).repeat({kPictures, 1});
    out.logits.slice(0, first, last) = torch::tensor({1.F, 0.F});
    out.accuracy = static_cast<double>(last - first) / kPictures;
    out.loss = 1;
    return out;
  }
  bool keep(const Validation& validation) {
    next();
    return best_.keep_epoch(epoch_, validation);
  }
  /// The weights tell by themselves which epoch they are of.
  void next() { weight().fill_(static_cast<double>(++epoch_)); }
  torch::Tensor weight() {
    torch::NoGradGuard no_grad;
    return live_.live_parameters().at(0).detach();
  }
  /// The epoch that the live weights are of, once those are recalled.
  double recalled() {
    live_.recall();
    return weight().flatten()[0].item<double>();
  }

  static constexpr int64_t kPictures = 20;
  Classifier classifier_ = make_classifier(tiny::traced(false), tiny::input());
  BlockChain chain_{classifier_};
  LiveChain live_{chain_, 0};
  FitResult result_;
  BestWeights best_{live_, result_};
  int64_t epoch_ = 0;
};

TEST_F(BestEpoch, IsTheLatestThatIsNotWorseThanTheMostAccurate) {
  EXPECT_TRUE(keep(seen(0, 15)));
  EXPECT_TRUE(keep(seen(0, 18)));
  EXPECT_EQ(best_.most_accurate_epoch(), 2);
  // One more and two fewer right: 1 / sqrt(3) = 0.6 standard errors.
  EXPECT_TRUE(keep(seen(2, 19)));
  EXPECT_EQ(recalled(), 3);
  // Two more and four fewer, 2 / sqrt(6) = 0.8; of the kept one and two.
  EXPECT_TRUE(keep(seen(4, 20)));
  EXPECT_EQ(recalled(), 4);
  // One fewer and no other is 1, and nothing that a picture could not be.
  EXPECT_TRUE(keep(seen(0, 17)));
  EXPECT_EQ(recalled(), 5);
  // Two fewer and no other: 1.4.
  EXPECT_FALSE(keep(seen(0, 16)));
  EXPECT_EQ(recalled(), 5);
  EXPECT_EQ(result_.best_epoch, 5);
  EXPECT_TRUE(result_.val_logits.equal(seen(0, 17).logits));
  EXPECT_EQ(best_.most_accurate_epoch(), 2);
}

TEST_F(BestEpoch, IsAnAverageOnlyWhereThatIsBetterThanTheKept) {
  keep(seen(0, 17));
  keep(seen(2, 18));
  next();
  EXPECT_FALSE(best_.keep_if_better(epoch_, seen(0, 16)));
  Validation surer = seen(0, 16);
  surer.loss = 0.1;
  EXPECT_TRUE(best_.keep_if_better(epoch_, surer));
  EXPECT_EQ(recalled(), 3);
  EXPECT_EQ(best_.most_accurate_epoch(), 1);
  EXPECT_TRUE(best_.keep_if_better(epoch_, seen(0, 19)));
  EXPECT_EQ(best_.most_accurate_epoch(), 3);
  EXPECT_FALSE(keep(seen(0, 17)));  // which the average is too far from
}

TEST_F(BestEpoch, IsTheLastOneWithoutPicturesToJudgeBy) {
  EXPECT_TRUE(keep({}));
  EXPECT_TRUE(keep({}));
  EXPECT_EQ(result_.best_epoch, 2);
}

TEST_F(BestEpoch, BeginsAnewBehindWhatIsPutAside) {
  keep(seen(0, 18));
  best_.set_aside("the head");
  EXPECT_TRUE(keep(seen(0, 12)));
  EXPECT_EQ(best_.most_accurate_epoch(), 2);
  EXPECT_FALSE(best_.settle("the blocks", 1));
  EXPECT_EQ(result_.best_epoch, 1);
  EXPECT_EQ(recalled(), 1);
}

}  // namespace
}  // namespace engraft
