#include "engraft/policy/plan.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace engraft {
namespace {

PlanInputs inputs(int64_t per_class, SimilarityClass similarity,
                  int64_t classes = 10) {
  PlanInputs in;
  in.images_per_class.assign(classes, per_class);
  in.similarity.verdict = similarity;
  in.similarity.method = "batch_norm";
  in.num_blocks = 12;
  in.block_parameters.assign(12, 100);
  return in;
}

const Reason& reason(const TransferPlan& plan, const std::string& decision) {
  return *std::find_if(plan.reasons.begin(), plan.reasons.end(),
                       [&](const Reason& r) { return r.decision == decision; });
}

struct Row {
  int64_t per_class;
  SimilarityClass similarity;
  SizeClass size;
  int64_t freeze_until;
};

class Quadrants : public testing::TestWithParam<Row> {};

TEST_P(Quadrants, FollowTheTable) {
  const Row row = GetParam();
  const auto plan = choose_plan(inputs(row.per_class, row.similarity), {}, {});
  EXPECT_EQ(plan.size, row.size);
  EXPECT_EQ(plan.freeze_until, row.freeze_until);
  EXPECT_EQ(plan.backbone_lr > 0, row.freeze_until < 12);
  EXPECT_LT(plan.backbone_lr, plan.head_lr);
  EXPECT_GE(plan.epochs, plan.head_epochs);
  EXPECT_GE(plan.head_epochs, 1);
  for (const Reason& r : plan.reasons) EXPECT_FALSE(r.because.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Plan, Quadrants,
    testing::Values(Row{99, SimilarityClass::similar, SizeClass::small, 12},
                    Row{99, SimilarityClass::different, SizeClass::small, 8},
                    Row{1000, SimilarityClass::similar, SizeClass::large, 8},
                    Row{1000, SimilarityClass::different, SizeClass::large,
                        3}));

TEST(ChoosePlan, AlsoManyClassesMakeALargeSet) {
  const auto plan =
      choose_plan(inputs(100, SimilarityClass::similar, 100), {}, {});
  EXPECT_EQ(plan.size, SizeClass::large);
}

TEST(ChoosePlan, OverridesWinAndAreNamed) {
  PlanOptions options;
  options.size = SizeClass::large;
  options.similarity = SimilarityClass::different;
  options.lr = 0.5;
  options.epochs = 3;
  options.freeze_until = "5";
  AugmentOptions augment;
  augment.augment = AugmentStrength::light;
  const auto plan = choose_plan(inputs(10, SimilarityClass::similar), options,
                                augment, /*freeze_override=*/5);
  EXPECT_EQ(plan.size, SizeClass::large);
  EXPECT_EQ(plan.similarity.verdict, SimilarityClass::different);
  EXPECT_EQ(plan.freeze_until, 5);
  EXPECT_EQ(plan.head_lr, 0.5);
  EXPECT_EQ(plan.epochs, 3);
  EXPECT_EQ(plan.augment.strength, AugmentStrength::light);
  EXPECT_EQ(reason(plan, "lr").because, "given: --lr");
  EXPECT_EQ(reason(plan, "frozen").because, "given: --freeze-until 5");
}

TEST(ChoosePlan, OneEpochIsNotSplit) {
  PlanOptions options;
  options.epochs = 1;
  const auto plan =
      choose_plan(inputs(10, SimilarityClass::different), options, {});
  EXPECT_EQ(plan.epochs, 1);
  EXPECT_EQ(plan.head_epochs, 0);
}

TEST(ChoosePlan, OfAFrozenGraphOnlyTheHeadIsTrained) {
  PlanInputs in = inputs(1000, SimilarityClass::different);
  in.frozen_graph = true;
  EXPECT_EQ(choose_plan(in, {}, {}).freeze_until, in.num_blocks);
}

TEST(ChoosePlan, ASolvedHeadTakesOneEpochAndSomeViews) {
  auto in = inputs(99, SimilarityClass::similar);
  const auto solved = choose_plan(in, {}, {});
  EXPECT_TRUE(solved.solved_head);
  EXPECT_EQ(solved.epochs, 1);
  EXPECT_GE(solved.views, 2);
  PlanOptions options;
  // More views hardly change an optimum, and epochs there are none; fewer are
  // what is asked for.
  options.epochs = 25;
  EXPECT_EQ(choose_plan(in, options, {}).views, solved.views);
  EXPECT_NE(reason(choose_plan(in, options, {}), "epochs")
                .because.find("--epochs 25"),
            std::string::npos);
  options.epochs = 1;
  EXPECT_EQ(choose_plan(in, options, {}).views, 1);
  options.views = 7;
  EXPECT_EQ(choose_plan(in, options, {}).views, 7);
  in.solved_head = false;
  const auto stepped = choose_plan(in, {}, {});
  EXPECT_GT(stepped.epochs, 1);
  EXPECT_EQ(stepped.head_epochs, stepped.epochs);
  EXPECT_LE(stepped.views, stepped.epochs);
}

TEST(ChoosePlan, ViewsFitIntoTheCache) {
  auto in = inputs(99, SimilarityClass::different);
  in.block_outputs.assign(12, 1000);
  PlanOptions options;
  options.epochs = 12;
  EXPECT_EQ(choose_plan(in, options, {}).views, 4);
  // 990 pictures of 2000 bytes: room for three views and for validation.
  in.cache_bytes = 4 * 990 * 2000;
  EXPECT_EQ(choose_plan(in, options, {}).views, 3);
  EXPECT_NE(reason(choose_plan(in, options, {}), "views").because.find("fit"),
            std::string::npos);
  in.cache_bytes = 1000;
  EXPECT_EQ(choose_plan(in, options, {}).views, 0);
  options.views = 12;
  EXPECT_EQ(choose_plan(in, options, {}).views, 12);
  options.freeze_until = "none";
  EXPECT_EQ(choose_plan(in, options, {}, 0).views, 0);
}

}  // namespace
}  // namespace engraft
