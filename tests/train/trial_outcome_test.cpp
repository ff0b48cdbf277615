#include "train/trial_outcome.h"

#include <gtest/gtest.h>

namespace engraft {
namespace {

TEST(EpochOfTry, CountsFromItsOwnBeginning) {
  TransferPlan plan;
  plan.epochs = 13;
  EpochResult epoch;
  epoch.epoch = 7;
  epoch.epochs = 13;
  EXPECT_EQ(epoch_of_try(epoch, plan), 7);
  // The blocks once more: the head's solution is there.
  epoch.epoch = 23;
  epoch.epochs = 13 + 12;
  EXPECT_EQ(epoch_of_try(epoch, plan), 11);
}

class OptionsAsTrained : public testing::Test {
 protected:
  OptionsAsTrained() {
    plan_.freeze_until = 11;
    plan_.head_lr = 2e-3;
    plan_.backbone_lr = 0.00012345;
    plan_.bn_statistics = BatchNormStatistics::batch;
    plan_.reasons = {{"bn-statistics", "batch", ""}};
    plan_.augment.strength = AugmentStrength::light;
    plan_.augment.flip = false;
    plan_.own_crops = 5;
    plan_.test_crops = 1;  // a trial's test is quicker
  }
  TrialOptions options(bool own_plan, double head = 1, double backbone = 1) {
    trained_.steps = {plan_.head_lr * head, plan_.backbone_lr * backbone,
                      plan_.bn_statistics};
    return options_as_trained(trained_, fixed_, own_plan);
  }
  TrainResult trained_;
  TransferPlan& plan_ = trained_.plan;
  TrainOptions fixed_;
};

TEST_F(OptionsAsTrained, AddWhatTheTrialDecidedToOnePlanForAll) {
  EXPECT_EQ(options(false), TrialOptions({{"bn-statistics", "batch"}}));
  // Rates of a later try, without the digits that a product leaves behind.
  EXPECT_EQ(options(false, 0.2, 0.2 * 0.2),
            TrialOptions({{"bn-statistics", "batch"},
                          {"lr", 0.0004},
                          {"backbone-lr", 4.938e-6}}));
  plan_.bn_statistics = BatchNormStatistics::running;
  EXPECT_EQ(options(false), TrialOptions({{"bn-statistics", "running"}}));
  plan_.reasons.clear();  // no batch norms
  EXPECT_EQ(options(false), TrialOptions::object());
}

TEST_F(OptionsAsTrained, AreAllOfAPlanOfItsOwn) {
  const TrialOptions own{{"bn-statistics", "batch"},
                         {"backbone-lr", 0.00012345},
                         {"freeze-until", "11"},
                         {"augment", "light"},
                         {"flip", false},
                         {"crops", 5}};
  EXPECT_EQ(options(true), own);
  plan_.augment.flip = true;
  EXPECT_EQ(options(true).at("flip"), true);
  // What the user says of them all stays.
  fixed_.view.crops = 5;
  trained_.rate_curves.resize(1);  // a range test found its rates
  const TrialOptions found = options(true);
  EXPECT_FALSE(found.contains("crops"));
  EXPECT_FALSE(found.contains("backbone-lr"));
}

TEST_F(OptionsAsTrained, OfAHeadBySteps) {
  plan_.backbone_lr = 0;
  const TrialOptions head = options(true);
  EXPECT_EQ(head.at("freeze-until"), "11");  // of so many blocks
  EXPECT_FALSE(head.contains("backbone-lr"));
  EXPECT_FALSE(head.contains("bn-statistics"));
  EXPECT_TRUE(options(false).empty());
}

}  // namespace
}  // namespace engraft
