#include "train/best_weights.h"

#include <gtest/gtest.h>

#include "support/tiny_models.h"

namespace engraft {
namespace {

/// Epochs of given right answers and loss on 20 pictures of two classes.
class BestEpoch : public testing::Test {
 protected:
  /// first, last  the pictures that are right
  Validation seen(int64_t first, int64_t last, double loss) {
    Validation out;
    out.labels = torch::zeros({kPictures}, torch::kLong);
    out.logits = torch::tensor({0.F, 1.F}).repeat({kPictures, 1});
    out.logits.slice(0, first, last) = torch::tensor({1.F, 0.F});
    out.accuracy = static_cast<double>(last - first) / kPictures;
    out.loss = loss;
    return out;
  }
  bool keep(const Validation& validation) {
    // The weights tell by themselves which epoch they are of.
    weight().fill_(++epoch_);
    return best_.keep_if_best(epoch_, validation);
  }
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

TEST_F(BestEpoch, IsTheLowestLossAmongThoseWithinOneStandardError) {
  EXPECT_TRUE(keep(seen(0, 15, 0.9)));
  EXPECT_TRUE(keep(seen(0, 18, 0.8)));
  // One picture fewer is one standard error (1 - 0) / sqrt(1): too far.
  EXPECT_FALSE(keep(seen(0, 17, 0.1)));
  // Another one right and two wrong: 1 / sqrt(3).
  EXPECT_TRUE(keep(seen(2, 19, 0.5)));
  EXPECT_EQ(result_.best_epoch, 4);
  EXPECT_EQ(recalled(), 4);
  // As accurate, but dearer.
  EXPECT_FALSE(keep(seen(0, 18, 0.6)));
  EXPECT_EQ(result_.best_epoch, 4);
  EXPECT_TRUE(result_.val_logits.equal(seen(2, 19, 0.5).logits));
}

TEST_F(BestEpoch, LeavesOneThatFallsTooFarBehind) {
  EXPECT_TRUE(keep(seen(0, 10, 0.2)));
  // Whatever its loss: the one before gets four fewer right, 4 / sqrt(4).
  EXPECT_TRUE(keep(seen(0, 14, 0.7)));
  EXPECT_EQ(recalled(), 2);
}

TEST_F(BestEpoch, IsTheLastOneWithoutPicturesToJudgeBy) {
  EXPECT_TRUE(keep({}));
  EXPECT_TRUE(keep({}));
  EXPECT_EQ(result_.best_epoch, 2);
}

TEST_F(BestEpoch, BeginsAnewBehindWhatIsPutAside) {
  keep(seen(0, 18, 0.3));
  best_.set_aside("the head");
  EXPECT_TRUE(keep(seen(0, 12, 0.9)));
  EXPECT_FALSE(best_.settle("the blocks", 1));
  EXPECT_EQ(result_.best_epoch, 1);
  EXPECT_EQ(weight().flatten()[0].item<double>(), 1);
  EXPECT_FALSE(keep(seen(0, 12, 0.2)));
}

}  // namespace
}  // namespace engraft
