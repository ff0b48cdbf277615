#include "engraft/train/search_space.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "support/expect_fault.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

TEST(SearchSpace, ReadsTheThreeKindsOfValues) {
  const auto list = parse_dimension("augment=light,strong");
  EXPECT_EQ(list.draw, Draw::choice);
  EXPECT_EQ(list.choices, (std::vector<Json>{"light", "strong"}));
  const auto even = parse_dimension("epochs=5..20");
  EXPECT_EQ(even.draw, Draw::uniform);
  EXPECT_TRUE(even.whole);
  const auto rate = parse_dimension("--lr=1e-4..1e-2:log");
  EXPECT_EQ(rate.draw, Draw::log_uniform);
  EXPECT_EQ(rate.low, 1e-4);
  EXPECT_EQ(rate.high, 1e-2);
  EXPECT_FALSE(rate.whole);
  EXPECT_EQ(parse_dimension("label-smoothing=auto,0.1").choices,
            (std::vector<Json>{Json(), 0.1}));
  EXPECT_EQ(parse_dimension("flip=true,false").choices,
            (std::vector<Json>{true, false}));
}

TEST(SearchSpace, RefusesWhatTrainWouldRefuse) {
  const auto refused = [](const char* text, const char* part) {
    EXPECT_FAULT(parse_dimension(text), Fault::usage, part);
  };
  refused("epoch=1,2", "did you mean 'epochs'?");
  refused("lr=0.1,11", "--lr: 11 is outside of [0, 10]");
  refused("lr=0.1..11", "outside of [0, 10]");
  refused("augment=light,heavy", "'heavy' is not one of");
  refused("epochs=1.5,2", "not");
  refused("flip=yes", "not of this option's kind");
  refused("lr=0..1:log", "begins above 0");
  refused("lr=2..1", "below the second");
  refused("lr=a..b", "is not low..high");
  refused("lr=", "--lr");
  refused("lr", "write NAME=");
  refused("val-fraction=0.1,0.2", "the same for all trials");
  EXPECT_FAULT(make_space("", {"lr=1,2", "lr=3,4"}), Fault::usage, "twice");
}

TEST(SearchSpace, AFixedOptionIsNotSearched) {
  TrainOptions fixed;
  const SearchSpace space = make_space("", {"lr=0.1,0.2"});
  refuse_fixed(space, fixed);
  fixed.base.plan.lr = 0.3;
  EXPECT_FAULT(refuse_fixed(space, fixed), Fault::usage,
               "--lr 0.3 fixes it already");
}

TEST(SearchSpace, AFileSaysTheSameAsFlagsAndReadsWhatIsWritten) {
  const test::TempFolder folder;
  test::write_text(folder / "s.json", R"({"lr": "1e-4..0.01:log",
      "augment": ["light", "strong"], "epochs": "5..20"})");
  const SearchSpace read = make_space(folder / "s.json", {});
  const SearchSpace flags = make_space(
      "", {"lr=1e-4..0.01:log", "augment=light,strong", "epochs=5..20"});
  EXPECT_EQ(to_json(read), to_json(flags));
  test::write_text(folder / "t.json", to_json(read).dump());
  EXPECT_EQ(to_json(make_space(folder / "t.json", {})), to_json(read));
  test::write_text(folder / "u.json", R"({"lr": 5})");
  EXPECT_FAULT(make_space(folder / "u.json", {}), Fault::usage, "u.json: lr");
}

TEST(SearchSpace, LogUniformQuantilesAreGeometric) {
  const auto rate = parse_dimension("lr=1e-4..1e-2:log");
  EXPECT_DOUBLE_EQ(draw(rate, 0).get<double>(), 1e-4);
  EXPECT_DOUBLE_EQ(draw(rate, 0.5).get<double>(), 1e-3);
  EXPECT_DOUBLE_EQ(draw(rate, 0.25).get<double>(), 3.162e-4);
  const auto even = parse_dimension("lr=1..3");
  EXPECT_DOUBLE_EQ(draw(even, 0.25).get<double>(), 1.5);
  // Of 2000 samples a quarter lies below each quarter's end; 4 standard
  // deviations of such a share are 4 sqrt(p (1 - p) / 2000) <= 0.045.
  std::vector<int> below(3);
  for (int64_t i = 1; i <= 2000; ++i) {
    const double lr = sample({rate}, 7, i)["lr"].get<double>();
    for (size_t q = 0; q < 3; ++q)
      below[q] +=
          lr < 1e-4 * std::pow(100, 0.25 * (static_cast<double>(q) + 1));
  }
  for (size_t q = 0; q < 3; ++q)
    EXPECT_NEAR(below[q] / 2000.0, 0.25 * (static_cast<double>(q) + 1), 0.045);
}

TEST(SearchSpace, WholeNumbersHaveTheirShareAtBothEnds) {
  const auto epochs = parse_dimension("epochs=1..4");
  std::vector<int> seen(5);
  for (int i = 0; i < 400; ++i)
    ++seen[draw(epochs, (i + 0.5) / 400).get<size_t>()];
  EXPECT_EQ(seen, (std::vector<int>{0, 100, 100, 100, 100}));
  const auto logarithmic = parse_dimension("epochs=1..4:log");
  EXPECT_EQ(draw(logarithmic, 0), 1);
  EXPECT_EQ(draw(logarithmic, 0.999999), 4);
}

TEST(SearchSpace, SamplesDependOnSeedNumberAndNameAlone) {
  const SearchSpace one = make_space("", {"lr=1e-4..1e-2:log"});
  const SearchSpace two =
      make_space("", {"epochs=1..1000", "lr=1e-4..1e-2:log"});
  for (int64_t i = 1; i < 20; ++i) {
    EXPECT_EQ(sample(two, 3, i), sample(two, 3, i));
    EXPECT_EQ(sample(two, 3, i)["lr"], sample(one, 3, i)["lr"]);
  }
  EXPECT_NE(sample(one, 3, 1), sample(one, 4, 1));
  EXPECT_NE(sample(one, 3, 1), sample(one, 3, 2));
}

TEST(SearchSpace, AGridIsTheProductTheLastDimensionFastest) {
  const auto points =
      grid(make_space("", {"augment=light,strong", "epochs=3,5,7"}));
  ASSERT_EQ(points.size(), 6u);
  EXPECT_EQ(points[0], (Json{{"augment", "light"}, {"epochs", 3}}));
  EXPECT_EQ(points[1], (Json{{"augment", "light"}, {"epochs", 5}}));
  EXPECT_EQ(points[5], (Json{{"augment", "strong"}, {"epochs", 7}}));
  EXPECT_FAULT(grid(make_space("", {"lr=1..2"})), Fault::usage,
               "list them as a,b,c");
}

TEST(SearchSpace, SamplesThatComeToTheSameAreOne) {
  const SearchSpace space =
      make_space("", {"freeze-until=all,3", "lr=1e-4..1e-2:log"});
  const auto found = distinct_samples(space, 0, 20, [](TrialOptions options) {
    if (options["freeze-until"] == "all") options.erase("lr");
    return options;
  });
  EXPECT_EQ(found.size(), 20u);
  std::set<std::string> texts;
  int frozen = 0;
  for (const auto& options : found) {
    texts.insert(options.dump());
    frozen += options["freeze-until"] == "all";
  }
  EXPECT_EQ(texts.size(), 20u);
  EXPECT_EQ(frozen, 1);
  const auto few = distinct_samples(make_space("", {"epochs=1,2"}), 0, 20,
                                    [](TrialOptions o) { return o; });
  EXPECT_EQ(few.size(), 2u);
}

TEST(SearchSpace, TheDefaultGoesAroundThePlanAndLeavesOutWhatIsFixed) {
  TrainOptions fixed;
  fixed.base.data = "data";
  fixed.out = "out.pt";
  SpaceInputs inputs;
  inputs.blocks = 18;
  inputs.epochs = 12;
  inputs.lr = 2e-3;
  inputs.backbone_lr = 1e-4;
  const Json all = to_json(default_space(fixed, inputs));
  EXPECT_EQ(all["freeze-until"], Json({"all", "15", "12", "9"}));
  EXPECT_EQ(all["epochs"], Json({6, 12, 24}));
  EXPECT_EQ(all["lr"], "0.0002..0.02:log");
  EXPECT_EQ(all["backbone-lr"], "1e-05..0.001:log");
  EXPECT_EQ(all["augment"], Json({"light", "standard", "strong"}));
  EXPECT_EQ(all["label-smoothing"], Json({0.0, 0.1}));
  inputs.whole_model = true;
  EXPECT_EQ(to_json(default_space(fixed, inputs))["freeze-until"].back(),
            "none");
  fixed.base.plan.lr = 0.01;
  fixed.base.plan.head_epochs = 8;  // above half of the plan's epochs
  const Json rest = to_json(default_space(fixed, inputs));
  EXPECT_FALSE(rest.contains("lr"));
  EXPECT_FALSE(rest.contains("epochs"));
  EXPECT_TRUE(rest.contains("backbone-lr"));
}

}  // namespace
}  // namespace engraft
