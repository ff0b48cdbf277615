#include "engraft/policy/plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "policy/estimate.h"

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

PlanInputs with_probe(int64_t per_class, SimilarityClass similarity,
                      double accuracy) {
  PlanInputs in = inputs(per_class, similarity);
  in.evidence.pictures = 10 * per_class;
  in.evidence.classes = 10;
  in.evidence.depths = {{6, 64, accuracy / 2, 1}, {12, 128, accuracy, 1}};
  in.evidence.curve = {{100, accuracy - 0.1, 1}, {400, accuracy, 1}};
  in.evidence.flips = {{"horizontal", 8, 100, accuracy / 2, accuracy / 2},
                       {"horizontal", 12, 100, accuracy, accuracy}};
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
                        8}));

TEST(ChoosePlan, LargeSetsArePassedTheLessTheLargerTheyAre) {
  const auto passes = [](int64_t per_class, SimilarityClass similarity) {
    return choose_plan(inputs(per_class, similarity), {}, {}).epochs;
  };
  // 60,000 views of similar pictures, 160,000 of others; 4 to 12 and 10 passes.
  EXPECT_EQ(passes(1000, SimilarityClass::similar), 6);
  EXPECT_EQ(passes(9000, SimilarityClass::similar), 4);
  EXPECT_EQ(passes(1000, SimilarityClass::different), 10);
  EXPECT_EQ(passes(2500, SimilarityClass::different), 6);
  EXPECT_EQ(passes(9000, SimilarityClass::different), 4);
}

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
  EXPECT_NE(reason(plan, "head-epochs").because.find("the only epoch"),
            std::string::npos);
}

TEST(ChoosePlan, BlocksGetAnEpochBehindThoseOfTheHead) {
  PlanInputs in = with_probe(50, SimilarityClass::different, 0.8);
  PlanOptions options;
  options.head_epochs = 40;
  const auto plan = choose_plan(in, options, {});
  EXPECT_EQ(plan.head_epochs, 40);
  EXPECT_EQ(plan.epochs, 41);
  EXPECT_EQ(reason(plan, "epochs").because,
            "one for the blocks behind --head-epochs 40");
  // A budget that leaves fewer passes takes the head alone.
  in.block_work.assign(12, 1);
  in.speed = Speed{1, 0.001, 0.01, 0.03};
  in.seconds = 60;
  EXPECT_EQ(choose_plan(in, options, {}).freeze_until, 12);
}

TEST(ChoosePlan, GivenEpochsBoundThoseOfTheHead) {
  auto in = with_probe(50, SimilarityClass::different, 0.8);
  in.batch_norms.assign(12, {0.1});
  PlanOptions options;
  options.head_epochs = 5;
  options.epochs = 4;
  EXPECT_THROW(choose_plan(in, options, {}), Error);
  options.epochs = 5;
  const auto plan = choose_plan(in, options, {});
  EXPECT_FALSE(plan.proof);
  EXPECT_EQ(plan.head_epochs, 5);
  EXPECT_EQ(reason(plan, "proof").because,
            "--head-epochs 5 leaves no epoch for blocks");
  for (const Reason& r : plan.reasons) EXPECT_NE(r.decision, "bn-statistics");
}

TEST(ChoosePlan, OfAFrozenGraphOnlyTheHeadIsTrained) {
  PlanInputs in = inputs(1000, SimilarityClass::different);
  in.frozen_graph = true;
  EXPECT_EQ(choose_plan(in, {}, {}).freeze_until, in.num_blocks);
}

TEST(ChoosePlan, AnUpdateRuleForTheHeadAloneTrainsTheHeadAlone) {
  PlanInputs in = inputs(1000, SimilarityClass::different);
  in.only_head = true;
  const auto plan = choose_plan(in, {}, {});
  EXPECT_EQ(plan.freeze_until, in.num_blocks);
  EXPECT_TRUE(plan.solved_head);
  EXPECT_NE(reason(plan, "frozen").because.find("lbfgs"), std::string::npos);
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
  const auto whole = choose_plan(in, options, {}, 0);
  EXPECT_EQ(whole.views, 0);
  EXPECT_EQ(reason(whole, "views").because,
            "given: --views 12, but no block is frozen whose output could be "
            "kept");
}

TEST(ChoosePlan, ViewsThatAreTheSameAreComputedOnce) {
  AugmentOptions same;
  same.augment = AugmentStrength::none;
  PlanOptions options;
  const auto blocks = with_probe(50, SimilarityClass::different, 0.8);
  const auto head = inputs(99, SimilarityClass::similar);
  for (const PlanInputs& in : {blocks, head}) {
    EXPECT_GT(choose_plan(in, {}, {}).views, 1);
    const auto plan = choose_plan(in, {}, same);
    EXPECT_EQ(plan.views, 1);
    EXPECT_EQ(reason(plan, "views").because,
              "all views of a picture are the same");
    options.views = 2;
    EXPECT_EQ(choose_plan(in, options, same).views, 1);
    EXPECT_EQ(reason(choose_plan(in, options, same), "views").because,
              "given: --views 2, but all views of a picture are the same");
    options.views = 0;
    EXPECT_EQ(choose_plan(in, options, same).views, 0);
    options.views.reset();
    AugmentOptions erased = same;
    erased.erase = 0.5;
    EXPECT_GT(choose_plan(in, {}, erased).views, 1);
  }
  options.deeper = true;
  EXPECT_EQ(choose_plan(blocks, options, {}).deeper.at(0).views, 2);
  EXPECT_EQ(choose_plan(blocks, options, same).deeper.at(0).views, 1);
}

struct Room {
  SimilarityClass similarity;
  double accuracy;
  bool blocks;
};

class HeadRoom : public testing::TestWithParam<Room> {};

TEST_P(HeadRoom, DecidesWhetherBlocksAreTried) {
  const Room row = GetParam();
  const auto plan =
      choose_plan(with_probe(50, row.similarity, row.accuracy), {}, {});
  EXPECT_EQ(plan.freeze_until < 12, row.blocks);
  EXPECT_EQ(plan.proof, row.blocks);
  EXPECT_TRUE(plan.solved_head);
  EXPECT_TRUE(plan.evaluation_view);
  if (row.blocks) {
    EXPECT_GE(plan.head_epochs, 2);  // the solved one and a fresh head's
    EXPECT_GT(plan.epochs, plan.head_epochs);
    EXPECT_GT(plan.backbone_lr, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Plan, HeadRoom,
    testing::Values(Room{SimilarityClass::different, 0.995, false},
                    Room{SimilarityClass::different, 0.9, true},
                    Room{SimilarityClass::similar, 0.975, false},
                    Room{SimilarityClass::similar, 0.8, true}));

TEST(ChoosePlan, NearTheBorderItTriesMore) {
  auto in = with_probe(50, SimilarityClass::similar, 0.975);
  EXPECT_EQ(choose_plan(in, {}, {}).freeze_until, 12);
  in.similarity.uncertain = true;
  EXPECT_LT(choose_plan(in, {}, {}).freeze_until, 12);
}

TEST(ChoosePlan, MirrorImagesThatCostLossAreLeftOut) {
  auto in = with_probe(50, SimilarityClass::different, 0.9);
  const auto flips = [&](size_t probe, double gain, double z) {
    in.evidence.flips[probe].loss_gain = gain;
    in.evidence.flips[probe].loss_z = z;
    return choose_plan(in, {}, {}).augment.flip;
  };
  const auto because = [&](const char* words) {
    return reason(choose_plan(in, {}, {}), "flip").because.find(words) !=
           std::string::npos;
  };
  EXPECT_TRUE(flips(0, 0.5, 2.5));  // by chance
  EXPECT_TRUE(flips(0, 0.1, 4));    // too little
  EXPECT_FALSE(flips(0, 0.5, 3.5));
  EXPECT_TRUE(because("a probe after block 7 gets 45.0 % of 100 mirrored"));
  EXPECT_TRUE(because("higher by 0.5 (3.5 standard errors)"));
  EXPECT_TRUE(flips(0, 0, 0));
  EXPECT_FALSE(flips(1, 0.5, 3.5));
  EXPECT_TRUE(because("the head gets 90.0 % of 100 mirrored"));
}

TEST(ChoosePlan, NoTestLooksAtViewsThatTakeTheClassAway) {
  auto in = with_probe(50, SimilarityClass::different, 0.9);
  EXPECT_EQ(choose_plan(in, {}, {}).test_crops, 10);
  // Mirror images are something else: none of them.
  in.evidence.flips[1].view_accuracy = 0.8;
  in.evidence.flips[1].z = 4;
  EXPECT_EQ(choose_plan(in, {}, {}).test_crops, 5);
  // As is what the borders leave of a picture.
  in.evidence.views = {{"standard", 12, 100, 0.9, 0.7, 4}};
  EXPECT_EQ(choose_plan(in, {}, {}).test_crops, 1);
  in.test_crops = 10;
  const auto given = choose_plan(in, {}, {});
  EXPECT_EQ(given.test_crops, 10);
  EXPECT_EQ(given.own_crops, 1);
  EXPECT_EQ(reason(given, "test crops").because, "given: --crops");
  AugmentOptions upright;
  upright.flip = false;
  EXPECT_EQ(
      choose_plan(inputs(50, SimilarityClass::similar), {}, upright).test_crops,
      5);
  // Without views to learn from, a test still mirrors.
  AugmentOptions plain;
  plain.augment = AugmentStrength::none;
  const auto unseen =
      choose_plan(inputs(50, SimilarityClass::similar), {}, plain);
  EXPECT_FALSE(unseen.augment.flip);
  EXPECT_EQ(unseen.own_crops, 10);
}

TEST(ChoosePlan, SaysWhatElseIsUnlikeThePretraining) {
  PlanInputs in = inputs(99, SimilarityClass::different);
  const auto because = [&] {
    return reason(choose_plan(in, {}, {}), "similarity").because;
  };
  in.similarity.shorter_side = 200;
  in.similarity.resized_side = 256;
  EXPECT_NE(because().find("(0 pictures)"), std::string::npos) << because();
  in.similarity.grey = 1;
  in.similarity.shorter_side = 28;
  EXPECT_NE(because().find(
                "(0 pictures, without colour, enlarged from 28 to 256 pixels)"),
            std::string::npos)
      << because();
}

TEST(ChoosePlan, NumbersThatAreComparedDoNotLookTheSame) {
  PlanInputs in = inputs(99, SimilarityClass::different);
  const auto because = [&] {
    return reason(choose_plan(in, {}, {}), "similarity").because;
  };
  in.similarity.border = 0.65;
  in.similarity.value = 0.6521;
  in.similarity.uncertain = true;
  EXPECT_NE(because().find("e^0.652 from the model's own pictures, above "
                           "e^0.650"),
            std::string::npos)
      << because();
  // What is not measured hedges nothing.
  EXPECT_TRUE(because().ends_with("near the border")) << because();
  in.evidence = with_probe(99, SimilarityClass::different, 0.9).evidence;
  EXPECT_TRUE(because().ends_with("both are allowed for")) << because();
  // A gain that is printed as a point is one.
  in = with_probe(51, SimilarityClass::different, 1 - 9.7 / 500);
  EXPECT_NE(
      reason(choose_plan(in, {}, {}), "frozen").because.find("1.0 points"),
      std::string::npos);
  EXPECT_EQ(choose_plan(in, {}, {}).proof_errors, -1);
}

TEST(ChoosePlan, OfOneBlockNoPartIsTrained) {
  auto in = with_probe(50, SimilarityClass::different, 0.8);
  in.num_blocks = 1;
  in.block_parameters = {100};
  const auto plan = choose_plan(in, {}, {});
  EXPECT_EQ(plan.freeze_until, 1);
  EXPECT_NE(reason(plan, "frozen").because.find("of one block no part"),
            std::string::npos);
  in.evidence.depths.back().accuracy = 0.999;
  EXPECT_EQ(reason(choose_plan(in, {}, {}), "frozen").because.find("no part"),
            std::string::npos);
}

TEST(ChoosePlan, SaysWhereTheTableIsAllThatItHas) {
  const auto because = [](const PlanInputs& in) {
    return reason(choose_plan(in, {}, {}), "frozen").because;
  };
  EXPECT_NE(because(inputs(9, SimilarityClass::similar)).find("table alone"),
            std::string::npos);
  EXPECT_EQ(because(with_probe(9, SimilarityClass::similar, 0.9)).find("table"),
            std::string::npos);
  EXPECT_NE(because(inputs(9, SimilarityClass::similar, 2000))
                .find("more pictures a class"),
            std::string::npos);
  EXPECT_NE(because(inputs(9, SimilarityClass::similar, 2001))
                .find("not probed for more than 2000 classes"),
            std::string::npos);
}

TEST(ChoosePlan, ABudgetIsNoReasonForWhatIsChosenAnyhow) {
  auto in = with_probe(150, SimilarityClass::similar, 0.999);
  in.block_work.assign(12, 1);
  in.speed = Speed{1, 0.001, 0.01, 0.03};
  in.seconds = 1 + 1500 * 0.01;
  PlanOptions options;
  options.time = "16s";
  const auto plan = choose_plan(in, options, {});
  EXPECT_EQ(plan.views, 1);
  EXPECT_EQ(reason(plan, "views").because,
            "the pictures as they are; all that fits into --time 16s");
  EXPECT_NE(reason(plan, "frozen").because.find("not worth its time"),
            std::string::npos);
  in = with_probe(150, SimilarityClass::similar, 0.8);
  in.block_work.assign(12, 1);
  in.speed = Speed{1, 0.001, 0.01, 0.03};
  in.seconds = 1 + 1500 * 0.01;
  EXPECT_EQ(reason(choose_plan(in, options, {}), "frozen").because,
            "training blocks would take more than --time 16s");
}

TEST(ChoosePlan, ViewsSayHowOftenTheyAreUsed) {
  const auto in = with_probe(50, SimilarityClass::different, 0.8);
  const auto because = [&](int64_t epochs) {
    PlanOptions options;
    options.epochs = epochs;
    return reason(choose_plan(in, options, {}), "views").because;
  };
  EXPECT_NE(because(12).find("11 epochs: 36 % of the work"), std::string::npos);
  EXPECT_NE(because(60).find("59 epochs: 14 % of the work"), std::string::npos);
  EXPECT_NE(because(4).find("3 epochs: 67 % of the work"), std::string::npos);
  EXPECT_EQ(because(3), "one for each epoch");  // the first solves for the head
  EXPECT_EQ(because(2), "one for each epoch");
  PlanOptions more;
  more.epochs = 5;
  more.views = 9;
  const TransferPlan plan = choose_plan(in, more, {});
  EXPECT_EQ(plan.views, 5);
  EXPECT_EQ(reason(plan, "views").value, "5");
}

TEST(ChoosePlan, FewPicturesCannotTellViewsFromThePictures) {
  auto in = with_probe(50, SimilarityClass::different, 0.9);
  in.evidence.flips[1] = {"horizontal", 12, 20, 0.75, 0.6, 1.3};
  in.evidence.views = {{"standard", 12, 20, 0.75, 0.6, 1.3}};
  const auto plan = choose_plan(in, {}, {});
  EXPECT_TRUE(plan.augment.flip);
  for (const char* decision : {"flip", "augment"})
    EXPECT_NE(reason(plan, decision).because.find("as many by chance"),
              std::string::npos);
  AugmentOptions none;
  none.augment = AugmentStrength::none;
  for (const Reason& r : choose_plan(in, {}, none).reasons)
    EXPECT_NE(r.decision, "flip");
}

TEST(ChoosePlan, TheBackbonesRateGrowsWithTheDistance) {
  auto in = with_probe(50, SimilarityClass::similar, 0.95);
  in.similarity.border = 0.6;
  const auto rate = [&](double value) {
    in.similarity.value = value;
    return choose_plan(in, {}, {}).backbone_lr;
  };
  EXPECT_NEAR(rate(0.1), 1e-4, 1e-9);
  EXPECT_NEAR(rate(0.3), 1e-4, 1e-9);
  EXPECT_NEAR(rate(0.45), 1.7e-4, 1e-9);  // the geometric mean, rounded
  EXPECT_NEAR(rate(0.6), 3e-4, 1e-9);
  in.similarity.verdict = SimilarityClass::different;
  EXPECT_NEAR(rate(1.2), 3e-4, 1e-9);
  in.similarity.method = "confidence";
  EXPECT_NEAR(rate(0.9), 1e-4, 1e-9);
  EXPECT_NEAR(rate(0.6), 3e-4, 1e-9);
}

TEST(ChoosePlan, LayerNormsThatTrainTakeSmallSteps) {
  auto in = inputs(150, SimilarityClass::different);
  in.layer_norms.assign(12, 0);
  const auto none = choose_plan(in, {}, {});
  ASSERT_EQ(none.freeze_until, 8);
  EXPECT_NEAR(none.backbone_lr, 3e-4, 1e-9);
  in.layer_norms[7] = 2;  // frozen
  EXPECT_NEAR(choose_plan(in, {}, {}).backbone_lr, 3e-4, 1e-9);
  in.layer_norms[8] = 2;
  const auto some = choose_plan(in, {}, {});
  EXPECT_NEAR(some.backbone_lr, 1e-4, 1e-9);
  EXPECT_NE(reason(some, "backbone-lr")
                .because.find("0.0001 at most where layer norms are trained"),
            std::string::npos);
  PlanOptions given;
  given.backbone_lr = 1e-3;
  EXPECT_EQ(choose_plan(in, given, {}).backbone_lr, 1e-3);
}

struct Open {
  int64_t per_class;
  double accuracy, distinct;
  int64_t epochs;  ///< with the solved head's
  double backbone_lr, proof_errors;
};

class HeadErrors : public testing::TestWithParam<Open> {};

// Wrong are 25 of 500 pictures, 90 of 600 and 300 of 1500: none, w = log(90 /
// 40) / log(120 / 40) = 0.738 and all of the way from 40 to 120. Views: 3000,
// 3000 x 8^w = 14000, 24000; passes 5 to 12, 7 to 17, 8 to 20; rate 1e-4 x 5^w.
TEST_P(HeadErrors, DecideHowMuchIsTrained) {
  const Open row = GetParam();
  auto in = with_probe(row.per_class, SimilarityClass::similar, row.accuracy);
  in.similarity.border = 0.6;
  in.similarity.value = 0.2;
  in.evidence.distinct = row.distinct;
  const auto plan = choose_plan(in, {}, {});
  EXPECT_EQ(plan.epochs, row.epochs);
  EXPECT_NEAR(plan.backbone_lr, row.backbone_lr, 1e-9);
  EXPECT_EQ(plan.proof_errors, row.proof_errors);
}

INSTANTIATE_TEST_SUITE_P(Plan, HeadErrors,
                         testing::Values(Open{50, 0.95, 1, 7, 1e-4, 2},
                                         Open{60, 0.85, 1, 18, 3.3e-4, -1},
                                         Open{150, 0.8, 1, 17, 5e-4, -1},
                                         // Copies teach nothing.
                                         Open{60, 0.85, 0.5, 7, 1.2e-4, -1}));

// 500 pictures in batches of 16 are 32 steps a pass.
TEST(ChoosePlan, BatchNormsThatCannotSettleKeepTheirStatistics) {
  auto in = with_probe(50, SimilarityClass::similar, 0.95);
  in.batch_norms.assign(12, {0.001});
  for (int64_t block = 8; block < 12; ++block)
    in.batch_norms[block] = {0.1, 0.1};
  const auto decided = [&](double slowest) {
    in.batch_norms[10] = {0.1, slowest};
    return choose_plan(in, {}, {});
  };
  const auto some = decided(0.1);
  ASSERT_EQ(some.freeze_until, 8);
  const auto steps = static_cast<double>(32 * (some.epochs - some.head_epochs));
  EXPECT_EQ(some.bn_statistics, BatchNormStatistics::batch);
  EXPECT_EQ(decided(5.01 / steps).bn_statistics, BatchNormStatistics::batch);
  const auto slow = decided(4.99 / steps);
  EXPECT_EQ(slow.bn_statistics, BatchNormStatistics::running);
  EXPECT_EQ(to_json(slow)["bn_statistics"], "running");
  EXPECT_NE(reason(slow, "bn-statistics").because.find("8 batch norms"),
            std::string::npos);
  // Without the noise of a batch larger steps are safe.
  EXPECT_NEAR(some.backbone_lr, 1e-4, 1e-9);
  EXPECT_NEAR(slow.backbone_lr, 5e-4, 1e-9);
  EXPECT_NE(
      reason(slow, "backbone-lr").because.find("0.0005 where batch norms"),
      std::string::npos);
  in.bn_statistics = {BatchNormStatistics::batch, "--bn-momentum"};
  const auto given = choose_plan(in, {}, {});
  EXPECT_EQ(given.bn_statistics, BatchNormStatistics::batch);
  EXPECT_EQ(reason(given, "bn-statistics").because, "given: --bn-momentum");
  // Nothing is said of batch norms that are not there, or not trained.
  in.batch_norms.assign(12, {});
  in.batch_norms[7] = {0.1};
  for (const Reason& r : choose_plan(in, {}, {}).reasons)
    EXPECT_NE(r.decision, "bn-statistics");
}

// Where they would settle, too.
TEST(ChoosePlan, OnFewDifferentPicturesBatchNormsKeepTheirStatistics) {
  const auto decided = [](int64_t per_class, SimilarityClass verdict,
                          bool uncertain) {
    auto in = with_probe(per_class, verdict, 0.95);
    in.batch_norms.assign(12, {0.1});
    in.similarity.uncertain = uncertain;
    return choose_plan(in, {}, {});
  };
  constexpr auto similar = SimilarityClass::similar,
                 different = SimilarityClass::different;
  for (const auto& plan :
       {decided(50, similar, false), decided(50, similar, true),
        decided(50, different, true), decided(2000, different, false)})
    EXPECT_EQ(plan.bn_statistics, BatchNormStatistics::batch);
  const auto far = decided(50, different, false);
  EXPECT_EQ(far.bn_statistics, BatchNormStatistics::running);
  EXPECT_NE(reason(far, "bn-statistics").because.find("4 batch norms keep"),
            std::string::npos);
  EXPECT_NEAR(far.backbone_lr, 5e-4, 1e-9);
}

// Where neither kind has its own, validation tells.
TEST(ChoosePlan, NearTheBorderBothStatisticsAreTried) {
  auto in = with_probe(50, SimilarityClass::different, 0.95);
  in.batch_norms.assign(12, {0.1});
  in.val_pictures = 40;
  in.similarity.border = 0.65;
  in.similarity.band = 0.12;
  in.similarity.standard_error = 0.05;
  const auto decided = [&](double value, bool uncertain) {
    in.similarity.value = value;
    in.similarity.uncertain = uncertain;
    return choose_plan(in, {}, {});
  };
  const auto far = decided(0.88, false);
  EXPECT_EQ(far.bn_statistics, BatchNormStatistics::running);
  EXPECT_FALSE(far.second_try_rate);
  EXPECT_TRUE(to_json(far)["second_try_rate"].is_null());
  for (const auto& near : {decided(0.86, false), decided(0.7, true)}) {
    EXPECT_EQ(near.bn_statistics, BatchNormStatistics::batch);
    ASSERT_TRUE(near.second_try_rate);
    EXPECT_NEAR(*near.second_try_rate * near.backbone_lr, 5e-4, 1e-9);
    EXPECT_LT(near.backbone_lr, 4e-4);
    EXPECT_EQ(reason(near, "bn-statistics").value, "batch, running");
    EXPECT_NE(reason(near, "bn-statistics").because.find("a second try keeps"),
              std::string::npos);
    EXPECT_TRUE(reason(near, "backbone-lr")
                    .because.ends_with("; 0.0005 in the second try"));
    EXPECT_EQ(to_json(near)["second_try_rate"], *near.second_try_rate);
  }
  PlanOptions options;
  options.backbone_lr = 2e-5;
  const auto given = choose_plan(in, options, {});
  EXPECT_EQ(given.second_try_rate, 1);
  // A verdict that is said is no near one.
  options = {};
  options.similarity = SimilarityClass::different;
  EXPECT_EQ(choose_plan(in, options, {}).bn_statistics,
            BatchNormStatistics::running);
  // Not with nothing to judge by, nor against what was asked for.
  in.val_pictures = 0;
  EXPECT_FALSE(decided(0.7, true).second_try_rate);
  in.val_pictures = 40;
  in.bn_statistics = {BatchNormStatistics::batch, "--bn-statistics"};
  EXPECT_FALSE(decided(0.7, true).second_try_rate);
  in.bn_statistics.reset();
  in.similarity.verdict = SimilarityClass::similar;
  EXPECT_TRUE(decided(0.6, true).second_try_rate);
  in.layer_norms.assign(12, 1);
  EXPECT_EQ(decided(0.6, true).second_try_rate, 1);
  in.layer_norms.clear();
  EXPECT_FALSE(decided(0.6, false).second_try_rate);
}

TEST(ChoosePlan, ASecondTryTakesTimeThatABudgetMayNotHave) {
  auto in = with_probe(50, SimilarityClass::different, 0.8);
  in.batch_norms.assign(12, {0.1});
  in.similarity.uncertain = true;
  in.val_pictures = 40;
  in.test_pictures = 60;
  in.block_work.assign(12, 1);
  in.speed = Speed{1, 0.001, 0.01, 0.03};
  PlanOptions options;
  options.time = "long";
  in.seconds = 1e6;
  const auto both = choose_plan(in, options, {});
  ASSERT_TRUE(both.second_try_rate);
  // It passes the last third of the blocks; the others are kept.
  const double second = static_cast<double>(both.epochs - 1) *
                        (500 * 0.03 + 40 * 0.01) *
                        static_cast<double>(12 - both.freeze_until) / 12;
  in.seconds = both.seconds - 1;
  const auto one = choose_plan(in, options, {});
  EXPECT_FALSE(one.second_try_rate);
  EXPECT_TRUE(
      reason(one, "bn-statistics").because.ends_with("into --time long"));
  EXPECT_EQ(one.epochs, both.epochs);
  EXPECT_NEAR(both.seconds - one.seconds, second, 1e-6);
  // It comes before more blocks.
  options.deeper = true;
  in.seconds = 1e6;
  const auto all = choose_plan(in, options, {});
  ASSERT_FALSE(all.deeper.empty());
  in.seconds = all.seconds - 1;
  const auto some = choose_plan(in, options, {});
  EXPECT_TRUE(some.deeper.empty());
  EXPECT_TRUE(some.second_try_rate);
}

TEST(ChoosePlan, SaysHowManyErrorsThereAre) {
  const auto in = with_probe(150, SimilarityClass::similar, 0.8);
  EXPECT_NE(reason(choose_plan(in, {}, {}), "epochs")
                .because.find("about 300 training pictures wrong"),
            std::string::npos);
}

TEST(ChoosePlan, MoreBlocksFollowWhereTheyAreAskedFor) {
  auto in = with_probe(150, SimilarityClass::similar, 0.8);
  in.block_outputs.assign(12, 1000);
  EXPECT_TRUE(choose_plan(in, {}, {}).deeper.empty());
  PlanOptions options;
  options.deeper = true;
  const auto plan = choose_plan(in, options, {});
  ASSERT_EQ(plan.deeper.size(), 1u);
  EXPECT_EQ(plan.freeze_until, 8);
  EXPECT_EQ(plan.deeper[0].cut, 4);
  EXPECT_EQ(plan.lowest_cut(), 4);
  EXPECT_EQ(plan.deeper[0].views, 2);
  EXPECT_LT(plan.deeper[0].rate, 1);
  EXPECT_GT(plan.deeper[0].proof_errors, 0);
  EXPECT_EQ(reason(plan, "deeper").value, "from block 4 on");
  in.cache_bytes = 1000;
  EXPECT_EQ(choose_plan(in, options, {}).deeper.at(0).views, 0);
  // Nothing that could prove itself: the head alone, or no proof.
  const auto head =
      choose_plan(with_probe(50, SimilarityClass::similar, 0.99), options, {});
  EXPECT_TRUE(head.deeper.empty());
  EXPECT_EQ(reason(head, "deeper").value, "no");
  in.solved_head = false;
  EXPECT_TRUE(choose_plan(in, options, {}).deeper.empty());
  in = with_probe(1000, SimilarityClass::different, 0.8);
  in.num_blocks = 2;
  in.block_parameters.assign(2, 100);
  EXPECT_EQ(reason(choose_plan(in, options, {}), "deeper").because,
            "too few blocks are frozen for another stage");
}

TEST(ChoosePlan, ABudgetLeavesMoreBlocksOutFirst) {
  auto in = with_probe(150, SimilarityClass::similar, 0.8);
  in.block_work.assign(12, 1);
  in.speed = Speed{1, 0.001, 0.01, 0.03};
  PlanOptions options;
  options.deeper = true;
  const auto free = choose_plan(in, options, {});
  ASSERT_EQ(free.deeper.size(), 1u);
  auto without = free;
  without.deeper.clear();
  // 1500 pictures, of which 2 views pass 4 blocks of 12 once, and the other 8
  // are trained for 6 epochs.
  EXPECT_NEAR(free.seconds - estimate_seconds(in, without),
              2 * 1500 * 0.01 / 3 + 6 * 1500 * 0.03 * 2 / 3, 1e-6);
  in.seconds = free.seconds - 1;
  const auto bound = choose_plan(in, options, {});
  EXPECT_TRUE(bound.deeper.empty());
  EXPECT_EQ(bound.epochs, free.epochs);
}

TEST(ChoosePlan, ASolvedHeadTakesAPassAlsoWithoutViews) {
  auto in = inputs(100, SimilarityClass::similar);
  in.block_work.assign(12, 1);
  in.speed = Speed{1, 0.001, 0.01, 0.03};
  PlanOptions options;
  options.views = 0;
  const auto plan = choose_plan(in, options, {});
  ASSERT_TRUE(plan.solved_head);
  EXPECT_NEAR(plan.seconds, 1 + 1000 * 0.01, 1e-6);
}

TEST(ChoosePlan, AProofComparesWithAHeadHoweverFewEpochsItGets) {
  const auto in = with_probe(50, SimilarityClass::different, 0.8);
  PlanOptions options;
  options.head_epochs = 0;
  const auto plan = choose_plan(in, options, {});
  EXPECT_TRUE(plan.proof);
  EXPECT_EQ(plan.head_epochs, 1);
  EXPECT_EQ(reason(plan, "head-epochs").value, "1");
  EXPECT_EQ(reason(plan, "head-epochs").because,
            "given: --head-epochs 0, but the head alone is solved for, to "
            "compare with");
}

TEST(ChoosePlan, WhereBlocksUsuallyWinLessProofIsAskedFor) {
  auto in = with_probe(50, SimilarityClass::similar, 0.95);
  // 15 % of 5 points, 35 %, 50 %; a point is what tells.
  EXPECT_EQ(choose_plan(in, {}, {}).proof_errors, 2);
  in.similarity.uncertain = true;
  EXPECT_EQ(choose_plan(in, {}, {}).proof_errors, -1);
  in = with_probe(50, SimilarityClass::different, 0.95);
  const auto plan = choose_plan(in, {}, {});
  EXPECT_EQ(plan.proof_errors, -1);
  EXPECT_EQ(reason(plan, "proof").value, "-1 s.e.");
  // What is given counts as what is measured.
  in = with_probe(50, SimilarityClass::similar, 0.95);
  PlanOptions given;
  given.similarity = SimilarityClass::different;
  EXPECT_EQ(choose_plan(in, given, {}).proof_errors, -1);
  in = with_probe(50, SimilarityClass::different, 0.985);
  EXPECT_EQ(choose_plan(in, {}, {}).proof_errors, 2);
}

TEST(ChoosePlan, MoreProofIsAskedForWhereTheHeadErrsBlindly) {
  auto in = with_probe(50, SimilarityClass::similar, 0.8);
  const auto proof = [&] { return choose_plan(in, {}, {}).proof_errors; };
  EXPECT_EQ(proof(), -1);
  in.evidence.probe_auroc = 0.72;
  EXPECT_EQ(proof(), -1);
  in.evidence.probe_auroc = 0.57;
  EXPECT_EQ(proof(), 2);
  const auto plan = choose_plan(in, {}, {});
  EXPECT_LT(plan.freeze_until, 12);  // blocks may show that they are better
  EXPECT_NE(reason(plan, "proof").because.find("(AUROC 0.57; chance is 0.5)"),
            std::string::npos);
  // Nine errors of 45 tell nothing; ten of 50 do.
  in.evidence.pictures = 45;
  EXPECT_EQ(proof(), -1);
  in.evidence.pictures = 50;
  EXPECT_EQ(proof(), 2);
  // Elsewhere such errors are features that say nothing.
  in.similarity.uncertain = true;
  EXPECT_EQ(proof(), -1);
  in.similarity.uncertain = false;
  in.similarity.verdict = SimilarityClass::different;
  EXPECT_EQ(proof(), -1);
}

TEST(ChoosePlan, ItsOwnRatesAreTriedAgainSmallerWhereTheyHarm) {
  auto in = with_probe(50, SimilarityClass::different, 0.8);
  in.block_work.assign(12, 1);
  in.speed = Speed{1, 0.001, 0.01, 0.03};
  const auto plan = choose_plan(in, {}, {});
  EXPECT_EQ(plan.retries, 2);
  EXPECT_EQ(to_json(plan)["retries"], 2);
  EXPECT_EQ(to_json(plan)["retry_rate"], 0.2);
  EXPECT_EQ(reason(plan, "retries").value, "2");
  EXPECT_NE(reason(plan, "retries")
                .because.find("at 1/5 of the backbone's rate, then at 1/25"),
            std::string::npos);
  PlanOptions given;
  given.backbone_lr = 1e-3;
  EXPECT_EQ(choose_plan(in, given, {}).retries, 0);
  given = {};
  given.lr = 1e-3;
  EXPECT_EQ(choose_plan(in, given, {}).retries, 0);
  // A budget is for one try, and without a proof there is nothing to tell.
  in.seconds = plan.seconds;
  EXPECT_TRUE(choose_plan(in, {}, {}).proof);
  EXPECT_EQ(choose_plan(in, {}, {}).retries, 0);
  in = with_probe(50, SimilarityClass::similar, 1);
  EXPECT_EQ(choose_plan(in, {}, {}).retries, 0);
}

TEST(ChoosePlan, WhatIsGivenNeedsNoProof) {
  PlanOptions options;
  options.freeze_until = "8";
  const auto plan = choose_plan(with_probe(50, SimilarityClass::different, 0.5),
                                options, {}, 8);
  EXPECT_FALSE(plan.proof);
  EXPECT_EQ(plan.freeze_until, 8);
}

TEST(ChoosePlan, SaysWhyNothingHasToProveItself) {
  auto in = with_probe(50, SimilarityClass::different, 0.8);
  const auto because = [&](const PlanOptions& options, int64_t cut = -1) {
    const auto plan = choose_plan(in, options, {}, cut);
    EXPECT_FALSE(plan.proof);
    EXPECT_EQ(reason(plan, "proof").value, "none");
    return reason(plan, "proof").because;
  };
  PlanOptions options;
  options.freeze_until = "8";
  EXPECT_NE(because(options, 8).find("--freeze-until"), std::string::npos);
  options = {};
  options.epochs = 2;
  EXPECT_NE(because(options).find("--epochs 2 leaves no room"),
            std::string::npos);
  in.solved_head = false;
  EXPECT_NE(because({}).find("no solved one"), std::string::npos);
  in = inputs(50, SimilarityClass::different);
  EXPECT_NE(because({}).find("not probed"), std::string::npos);
  // Of the head alone there is nothing to say.
  for (const Reason& r :
       choose_plan(inputs(50, SimilarityClass::similar), {}, {}).reasons)
    EXPECT_NE(r.decision, "proof");
}

TEST(ChoosePlan, MirrorsOnlyWhatStaysTheSame) {
  auto in = with_probe(50, SimilarityClass::different, 0.9);
  EXPECT_TRUE(choose_plan(in, {}, {}).augment.flip);
  in.evidence.flips[1].view_accuracy = 0.6;
  in.evidence.flips[1].z = 5;
  const auto plan = choose_plan(in, {}, {});
  EXPECT_FALSE(plan.augment.flip);
  EXPECT_EQ(reason(plan, "flip").value, "no");
}

TEST(ChoosePlan, LightViewsWhereStandardOnesShowSomethingElse) {
  auto in = with_probe(50, SimilarityClass::different, 0.9);
  in.evidence.views = {{"standard", 12, 100, 0.9, 0.89, 1}};
  EXPECT_EQ(choose_plan(in, {}, {}).augment.strength,
            AugmentStrength::standard);
  in.evidence.views[0] = {"standard", 12, 100, 0.9, 0.8, 3};
  const auto plan = choose_plan(in, {}, {});
  EXPECT_EQ(plan.augment.strength, AugmentStrength::light);
  EXPECT_NE(reason(plan, "augment").because.find("80.0 %"), std::string::npos);
  EXPECT_EQ(reason(plan, "augment").because.find("loss"), std::string::npos);
  AugmentOptions given;
  given.augment = AugmentStrength::strong;
  EXPECT_EQ(choose_plan(in, {}, given).augment.strength,
            AugmentStrength::strong);
}

TEST(ChoosePlan, LightViewsWhereStandardOnesCostLoss) {
  auto in = with_probe(50, SimilarityClass::different, 0.5);
  const auto strength = [&](double gain, double z) {
    in.evidence.views = {{"standard", 12, 100, 0.5, 0.46, 1, gain, z}};
    return choose_plan(in, {}, {}).augment.strength;
  };
  EXPECT_EQ(strength(0.3, 2.2), AugmentStrength::standard);  // by chance
  EXPECT_EQ(strength(0.1, 4), AugmentStrength::standard);    // too little
  EXPECT_EQ(strength(0.3, 3.1), AugmentStrength::light);
  const auto plan = choose_plan(in, {}, {});
  EXPECT_NE(reason(plan, "augment")
                .because.find("higher by 0.3 (3.1 standard errors): so much"),
            std::string::npos);
  EXPECT_EQ(plan.test_crops, 1);
}

TEST(ChoosePlan, SaysWhatMorePicturesWouldBring) {
  const auto plan =
      choose_plan(with_probe(50, SimilarityClass::similar, 0.8), {}, {});
  ASSERT_EQ(plan.advice.size(), 1u);
  EXPECT_NE(plan.advice[0].find("twice as many"), std::string::npos);
}

TEST(ChoosePlan, AdvisesWeightsOnlyWhereThereAreNone) {
  auto in = with_probe(50, SimilarityClass::similar, 1);
  in.images_per_class[0] = 5;
  const auto said = [&] { return choose_plan(in, {}, {}).advice; };
  ASSERT_FALSE(said().empty());
  EXPECT_NE(said().back().find("--class-weights balanced"), std::string::npos);
  in.balanced = true;
  for (const std::string& advice : said())
    EXPECT_EQ(advice.find("--class-weights"), std::string::npos);
}

}  // namespace
}  // namespace engraft
