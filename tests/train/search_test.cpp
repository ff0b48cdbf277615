#include "engraft/train/search.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "support/expect_fault.h"
#include "support/tiny_training.h"
#include "train/search_reduce.h"

namespace engraft {
namespace {

class Search : public test::TinyTraining {
 protected:
  Search() {
    // Every picture twice, under another name.
    for (const char* c : {"a", "b", "c"})
      for (int i = 0; i < 12; ++i)
        std::filesystem::copy_file(picture(c, i), picture(c, i + 100));
  }
  std::string picture(const std::string& c, int i) const {
    return folder_ / ("data/" + c + "/" + std::to_string(i) + ".png");
  }
  SearchOptions searching(std::vector<std::string> tries) {
    SearchOptions out;
    out.train = options();
    out.train.base.plan.epochs.reset();
    out.train.base.plan.similarity = SimilarityClass::similar;
    out.search.method = SearchMethod::random;
    out.search.trials = 2;
    out.search.tries = std::move(tries);
    return out;
  }
  /// Tries the model beside another one.
  std::string two_models() {
    tiny::traced(true).save(folder_ / "other.pt");
    return "model=" + (folder_ / "model.pt") + "," + (folder_ / "other.pt");
  }
  SearchOptions searching_models(std::vector<std::string> tries = {}) {
    tries.insert(tries.begin(), two_models());
    SearchOptions out = searching(std::move(tries));
    out.train.base.model.clear();
    return out;
  }
  std::string journal() const { return folder_ / "out.pt.search.jsonl"; }
};

std::set<std::string> contents(const std::vector<Sample>& samples) {
  std::set<std::string> out;
  for (const Sample& sample : samples) out.insert(sample.content);
  return out;
}

void expect_disjoint(const std::vector<Sample>& a,
                     const std::vector<Sample>& b) {
  const auto others = contents(b);
  for (const std::string& content : contents(a))
    EXPECT_FALSE(others.count(content));
}

TEST_F(Search, PartsAreDisjointByContentAndAddUp) {
  const auto o = searching({}).train;
  const SearchParts parts = split_for_search(o, 0.3);
  expect_disjoint(parts.trials.train, parts.trials.val);
  expect_disjoint(parts.winner.train, parts.winner.test);
  EXPECT_TRUE(parts.trials.test.empty());
  EXPECT_TRUE(parts.winner.val.empty());
  EXPECT_EQ(parts.trials.train.size() + parts.trials.val.size(),
            parts.winner.train.size());
  EXPECT_EQ(parts.winner.train.size() + parts.winner.test.size(), 72u);
  // What no trial sees is what `train --val-fraction` holds out.
  DataOptions data;
  data.val_fraction = parts.val_fraction;
  EXPECT_EQ(contents(scan_image_folder(o.base.data, data).val),
            contents(parts.winner.test));
}

TEST_F(Search, PartsThatDataHasAreKept) {
  namespace fs = std::filesystem;
  for (const char* part : {"train", "val", "test"})
    for (const char* c : {"a", "b", "c"})
      fs::create_directories(folder_ / ("own/" + std::string(part) + "/" + c));
  const std::map<std::string, std::pair<int, int>> ranges{
      {"train", {0, 6}}, {"val", {6, 9}}, {"test", {9, 12}}};
  for (const auto& [part, range] : ranges)
    for (const char* c : {"a", "b", "c"})
      for (int i = range.first; i < range.second; ++i)
        fs::copy_file(picture(c, i), folder_ / ("own/" + part + "/" + c + "/" +
                                                std::to_string(i) + ".png"));
  auto o = searching({}).train;
  o.base.data = folder_ / "own";
  const SearchParts three = split_for_search(o, 0.2);
  EXPECT_EQ(three.trials.train.size(), 18u);
  EXPECT_EQ(three.trials.val.size(), 9u);
  EXPECT_EQ(three.winner.train.size(), 27u);
  EXPECT_EQ(three.winner.test.size(), 9u);
  fs::rename(folder_ / "own/test", folder_ / "no-test");
  const SearchParts two = split_for_search(o, 0.2);
  EXPECT_EQ(two.winner.test.size(), 9u);
  EXPECT_EQ(two.winner.train.size(), 18u);
  EXPECT_EQ(two.trials.train.size() + two.trials.val.size(), 18u);
  fs::rename(folder_ / "own/val", folder_ / "no-val");
  fs::rename(folder_ / "no-test", folder_ / "own/test");
  const SearchParts one = split_for_search(o, 0.2);
  EXPECT_EQ(one.winner.test.size(), 9u);
  EXPECT_EQ(one.winner.train.size(), 18u);
  EXPECT_EQ(one.trials.train.size() + one.trials.val.size(), 18u);
}

TEST_F(Search, TrainsTheWinnerOnBothPartsAndTestsItOnTheThird) {
  const SearchOptions o = searching({"head-l2=0.01,1", "freeze-until=all"});
  const SearchParts parts = split_for_search(o.train, 0.2);
  const SearchResult result = search(o);
  ASSERT_EQ(result.trials.size(), 2u);
  EXPECT_TRUE(result.trials[0].solved);
  ASSERT_TRUE(result.trained && result.trained->test);
  EXPECT_EQ(result.trained->folder.train.size(), parts.winner.train.size());
  EXPECT_EQ(result.trained->test->main.metrics.images,
            std::ssize(parts.winner.test));
  // The untouched part judged by the saved file's own evaluation.
  EvalOptions eval;
  eval.model = o.train.out;
  eval.data = o.train.base.data;
  eval.split = "val";
  eval.view.crops = 1;
  eval.data_options.val_fraction = parts.val_fraction;
  eval.run.threads = 1;
  const Report again = evaluate_model(eval);
  EXPECT_EQ(again.main.metrics.top1, result.trained->test->main.metrics.top1);
  EXPECT_NEAR(again.main.metrics.loss, result.trained->test->main.metrics.loss,
              1e-5);
}

TEST_F(Search, TheWinnerTrainsForTheEpochsThatWereBest) {
  SearchOptions o = searching(
      {"lr=0.05,0.02", "freeze-until=1", "epochs=3", "head-epochs=1"});
  const SearchResult result = search(o);
  ASSERT_TRUE(result.winner && result.trained);
  EXPECT_EQ(result.winner->epochs, 3);
  EXPECT_EQ(std::ssize(result.trained->epochs), result.winner->best_epoch);
  EXPECT_EQ(result.trained->best_epoch, result.winner->best_epoch);
  EXPECT_NE(result.command.find("--epochs " +
                                std::to_string(result.winner->best_epoch)),
            std::string::npos)
      << result.command;
}

TEST_F(Search, BlocksGetAnEpochBehindThoseOfTheHead) {
  SearchOptions o = searching({"head-epochs=25", "freeze-until=1"});
  const SearchResult result = search(o);
  ASSERT_EQ(result.trials.size(), 1u);
  EXPECT_EQ(result.trials[0].failed, "");
  EXPECT_EQ(result.trials[0].head_epochs, 25);
  EXPECT_EQ(result.trials[0].epochs, 26);
}

TEST_F(Search, TheWinnerIsTrainedAsItsTrialWas) {
  SearchOptions o = searching_models();
  o.train.base.plan.epochs = 3;
  o.search.method = SearchMethod::grid;
  search(o);
  // As a trial leaves it whose blocks stayed by a second try.
  std::string lines;
  std::ifstream in(journal());
  for (std::string line; std::getline(in, line);) {
    Json json = Json::parse(line);
    if (json.contains("as_trained")) {
      json["solved"] = false;
      json["best_epoch"] = 2;
      json["as_trained"] = {{"freeze-until", "1"},
                            {"backbone-lr", 3e-6},
                            {"bn-statistics", "running"},
                            {"crops", 5}};
    }
    lines += json.dump() + "\n";
  }
  test::write_all(journal(), {lines.begin(), lines.end()});
  const SearchResult again = search(o);
  for (const char* part : {"--backbone-lr 3e-06", "--bn-statistics running",
                           "--freeze-until 1", "--crops 5", "--epochs 2"})
    EXPECT_NE(again.command.find(part), std::string::npos) << again.command;
  EXPECT_EQ(again.trained->steps.backbone_lr, 3e-6);
  EXPECT_EQ(again.trained->plan.bn_statistics, BatchNormStatistics::running);
  EXPECT_EQ(again.trained->plan.test_crops, 5);
}

TEST_F(Search, OtherModelsSayThemselvesWhatPicturesAreLike) {
  SearchOptions o = searching_models();
  o.train.base.plan.similarity.reset();
  o.search.method = SearchMethod::grid;
  EXPECT_EQ(search(o).command.find("--similarity"), std::string::npos);
  o = searching({"lr=0.01,0.02"});
  o.train.base.plan.similarity.reset();
  o.train.base.plan.epochs = 2;
  o.train.out = folder_ / "one.pt";
  EXPECT_NE(search(o).command.find("--similarity"), std::string::npos);
}

TEST_F(Search, TrialsMayFindTheirRates) {
  SearchOptions o = searching({"augment=light,none"});
  o.train.base.plan.freeze_until = "1";
  o.train.base.plan.epochs = 2;
  o.train.optim.find_lr = true;
  for (const TrialResult& trial : search(o).trials) EXPECT_EQ(trial.failed, "");
  // So may those of several models, and their winner.
  o.search.tries = {two_models(), "find-lr=true,false"};
  o.search.method = SearchMethod::grid;
  o.train.base.model.clear();
  o.train.optim.find_lr = false;
  o.train.out = folder_ / "models.pt";
  const SearchResult result = search(o);
  ASSERT_EQ(result.trials.size(), 4u);
  for (const TrialResult& trial : result.trials) {
    EXPECT_EQ(trial.failed, "");
    EXPECT_EQ(trial.as_trained.contains("backbone-lr"),
              !trial.options.at("find-lr").get<bool>());
  }
}

TEST_F(Search, GoesOnAfterAKillWithTheSameEnd) {
  SearchOptions o = searching({"head-l2=0.01,0.1,1", "freeze-until=all"});
  o.search.trials = 3;
  const SearchResult whole = search(o);
  // As a kill within the third line leaves it.
  const auto bytes = test::read_all(journal());
  test::write_all(journal(), {bytes.begin(), bytes.end() - 9});
  int64_t found = -1, trained = 0;
  bool mended = false;
  SearchCallbacks callbacks;
  callbacks.started = [&](const SearchStart& start) {
    found = start.found;
    mended = start.mended;
  };
  callbacks.trial = [&](const TrialResult&) { ++trained; };
  const SearchResult again = search(o, callbacks);
  EXPECT_EQ(found, 2);
  EXPECT_TRUE(mended);
  EXPECT_EQ(trained, 1);
  ASSERT_EQ(again.trials.size(), whole.trials.size());
  for (size_t i = 0; i < whole.trials.size(); ++i) {
    EXPECT_EQ(again.trials[i].options, whole.trials[i].options);
    EXPECT_EQ(again.trials[i].val_loss, whole.trials[i].val_loss);
  }
  EXPECT_EQ(again.command, whole.command);
  o.train.base.run.seed = 1;
  EXPECT_FAULT(search(o), Fault::usage, "other seed");
}

TEST_F(Search, TrialsThatFailAreKeptWithTheirReason) {
  // Above the plan's one epoch of a head alone that the second one asks for.
  SearchOptions o = searching({"head-epochs=1,5"});
  o.train.base.plan.epochs = 3;
  o.train.base.plan.freeze_until = "1";
  const SearchResult result = search(o);
  ASSERT_EQ(result.trials.size(), 2u);
  EXPECT_EQ(result.trials[0].failed, "");
  EXPECT_NE(result.trials[1].failed.find("--head-epochs 5 is above --epochs 3"),
            std::string::npos)
      << result.trials[1].failed;
  o = searching({"head-epochs=5,6"});
  o.train.out = folder_ / "other.pt";
  o.train.base.plan.epochs = 3;
  o.train.base.plan.freeze_until = "1";
  EXPECT_FAULT(search(o), Fault::model, "all 2 trials failed");
}

TEST_F(Search, ATrialThatTimeEndsIsNotCounted) {
  SearchOptions o = searching({"lr=0.01..0.1"});
  o.train.base.plan.epochs = 100000;
  o.train.base.plan.freeze_until = "1";
  o.train.base.plan.time = "0.5";
  const SearchResult result = search(o);
  EXPECT_TRUE(result.out_of_time);
  EXPECT_FALSE(result.interrupted);
  EXPECT_TRUE(result.trials.empty());
  EXPECT_FALSE(result.winner);
  EXPECT_FALSE(std::filesystem::exists(o.train.out));
}

TEST_F(Search, AStopKeepsWhatIsDoneAndTrainsNoWinner) {
  SearchOptions o = searching({"head-l2=0.01,0.1,1", "freeze-until=all"});
  o.search.trials = 3;
  bool stop = false;
  SearchCallbacks callbacks;
  callbacks.trial = [&](const TrialResult&) { stop = true; };
  callbacks.stop = [&] { return stop; };
  const SearchResult result = search(o, callbacks);
  EXPECT_TRUE(result.interrupted);
  EXPECT_EQ(result.trials.size(), 1u);
  EXPECT_FALSE(result.trained);
  EXPECT_FALSE(std::filesystem::exists(o.train.out));
}

TEST_F(Search, WhatHasNoEffectMakesNoCandidate) {
  SearchOptions o = searching({"lr=0.01..0.1", "augment=light,strong"});
  o.train.base.plan.freeze_until = "all";
  o.search.trials = 10;
  int64_t count = 0;
  SearchCallbacks callbacks;
  callbacks.started = [&](const SearchStart& start) {
    count = std::ssize(start.candidates);
  };
  callbacks.stop = [] { return true; };
  search(o, callbacks);
  EXPECT_EQ(count, 2);
}

TEST_F(Search, WithAnUpdateRuleForHeadsNoTrialHasBlocks) {
  SearchOptions o = searching({});
  o.train = by_lbfgs(o.train);
  o.search.trials = 8;
  for (const TrialResult& trial : search(o).trials) EXPECT_EQ(trial.failed, "");
  // Whatever the plan trains by steps.
  PlanResult planned;
  planned.classifier = make_classifier(tiny::traced(false), tiny::input());
  planned.plan.freeze_until = 1;
  EXPECT_EQ(
      TrialMeaning(o.train, planned, {}).options({}).base.plan.freeze_until,
      "all");
  o.train.optim.optimizer = OptimizerKind::automatic;
  EXPECT_EQ(
      TrialMeaning(o.train, planned, {}).options({}).base.plan.freeze_until,
      "1");
}

TEST_F(Search, TrialsLookAtPicturesAsThePlanFoundRight) {
  SearchOptions o = searching({});
  o.train.view.crops.reset();
  PlanResult planned;
  planned.classifier = make_classifier(tiny::traced(false), tiny::input());
  planned.plan.freeze_until = 1;
  planned.plan.augment.strength = AugmentStrength::light;
  planned.plan.augment.flip = false;
  planned.plan.test_crops = 1;
  const TrialMeaning meaning(o.train, planned, {});
  const TrainOptions plain = meaning.options({});
  EXPECT_EQ(plain.base.augment.augment, AugmentStrength::light);
  EXPECT_FALSE(plain.base.augment.flip);
  EXPECT_EQ(plain.view.crops, 1);
  // What a trial or the flags say comes first.
  const TrainOptions own =
      meaning.options({{"augment", "strong"}, {"flip", true}});
  EXPECT_EQ(own.base.augment.augment, AugmentStrength::strong);
  EXPECT_TRUE(own.base.augment.flip);
  o.train.view.crops = 5;
  EXPECT_EQ(TrialMeaning(o.train, planned, {}).options({}).view.crops, 5);
}

TEST_F(Search, MirrorImagesAreNoViewsWhereNoneAreTrainedOn) {
  SearchOptions o = searching({});
  o.train.view.crops.reset();
  PlanResult planned;
  planned.classifier = make_classifier(tiny::traced(false), tiny::input());
  planned.plan.freeze_until = 1;
  planned.plan.test_crops = 10;
  const TrialMeaning meaning(o.train, planned, {});
  EXPECT_EQ(meaning.options({{"flip", true}}).view.crops, 10);
  EXPECT_EQ(meaning.options({{"flip", false}}).view.crops, 5);
}

TEST_F(Search, TrialsWithARuleForHeadsLeaveStepsAndBlocksToTheOthers) {
  SearchOptions o =
      searching({"optimizer=lbfgs,adam", "lr=0.01,0.02", "freeze-until=all,1"});
  o.train.base.plan.epochs = 2;
  o.search.method = SearchMethod::grid;
  const SearchResult result = search(o);
  // One by lbfgs, and by adam each of the four others.
  ASSERT_EQ(result.trials.size(), 5u);
  int solved = 0;
  for (const TrialResult& trial : result.trials) {
    EXPECT_EQ(trial.failed, "");
    solved += trial.solved;
    if (trial.solved) {
      EXPECT_EQ(trial.options, TrialOptions({{"optimizer", "lbfgs"}}));
    }
  }
  EXPECT_EQ(solved, 1);
}

TEST_F(Search, OtherModelsAreSolvedForAsWell) {
  SearchOptions o = searching_models({"optimizer=lbfgs,adam", "lr=0.01,0.02"});
  o.train.base.plan.epochs = 2;
  o.search.method = SearchMethod::grid;
  const SearchResult result = search(o);
  ASSERT_EQ(result.trials.size(), 6u);
  for (const TrialResult& trial : result.trials) {
    EXPECT_EQ(trial.failed, "");
    EXPECT_EQ(trial.solved, !trial.options.contains("lr"));
  }
  // Also where others have a share of their epochs.
  o.search.method = SearchMethod::halving;
  o.train.out = folder_ / "halved.pt";
  o.search.trials = 6;
  for (const TrialResult& trial : search(o).trials) {
    EXPECT_EQ(trial.failed, "");
  }
  // Each of the models is a part of what was searched.
  tiny::traced(false).save(folder_ / "other.pt");
  EXPECT_FAULT(search(o), Fault::usage, "other models");
}

TEST_F(Search, AHeadThatBlocksDidNotBeatIsTrainedAgainAsThat) {
  // Pictures that the head gets wrong, for which blocks are tried.
  for (int i = 0; i < 3; ++i)
    for (const char* wrong : {"a", "b"})
      std::filesystem::copy_file(
          folder_ /
              ("data/c/" + std::to_string(i + (*wrong - 'a') * 3) + ".png"),
          folder_ / ("data/" + std::string(wrong) + "/odd" + std::to_string(i) +
                     ".png"));
  SearchOptions o = searching_models();
  o.train.base.plan.epochs = 3;
  o.train.base.plan.backbone_lr = 10;  // so that they are no use
  o.search.method = SearchMethod::grid;
  const SearchResult result = search(o);
  ASSERT_TRUE(result.winner && result.trained);
  EXPECT_EQ(result.winner->epochs, 3);  // blocks were tried
  EXPECT_TRUE(result.winner->solved);
  EXPECT_TRUE(result.trained->head);
  EXPECT_EQ(result.trained->epochs.size(), 1u);
  EXPECT_NE(result.command.find("--freeze-until all"), std::string::npos);
}

TEST_F(Search, TrialsOfBlocksTrainThemAsThePlanDoes) {
  const SearchOptions o = searching({});
  PlanResult planned;
  planned.classifier = make_classifier(tiny::traced(false), tiny::input());
  planned.plan.freeze_until = 1;
  planned.plan.epochs = 16;
  planned.plan.backbone_lr = 5e-4;
  const TrialMeaning meaning(o.train, planned, {});
  const PlanOptions own = meaning.options(Json::object()).base.plan;
  EXPECT_EQ(own.epochs, 16);
  EXPECT_EQ(own.backbone_lr, 5e-4);
  const PlanOptions told =
      meaning.options({{"epochs", 3}, {"backbone-lr", 1e-3}}).base.plan;
  EXPECT_EQ(told.epochs, 3);
  EXPECT_EQ(told.backbone_lr, 1e-3);
  EXPECT_FALSE(meaning.options({{"freeze-until", "all"}}).base.plan.epochs);
}

TEST_F(Search, RefusesToTryStepsAndBlocksWithARuleForHeads) {
  SearchOptions o = searching({"lr=0.01,0.02"});
  o.train = by_lbfgs(o.train);
  EXPECT_FAULT(search(o), Fault::usage, "--try lr is for training by steps");
  o.search.tries = {"epochs=1,2"};
  EXPECT_FAULT(search(o), Fault::usage, "--views K");
  o.search.tries = {"freeze-until=1,all"};
  EXPECT_FAULT(search(o), Fault::usage,
               "--try freeze-until 1 is for trained blocks, and --optimizer");
  o = searching({"optimizer=lbfgs,adam"});
  o.train.base.plan.freeze_until = "1";
  EXPECT_FAULT(search(o), Fault::usage,
               "--freeze-until 1 is for trained blocks, and --try optimizer=");
}

TEST_F(Search, AJournalOfFormerRulesIsRefused) {
  const SearchOptions o = searching({"head-l2=0.01,1", "freeze-until=all"});
  search(o);
  const auto bytes = test::read_all(journal());
  std::string text(bytes.begin(), bytes.end());
  const std::string key = "\"format\":";
  const size_t number = text.find(key) + key.size();
  ASSERT_LT(number, text.size());
  --text.at(number);
  test::write_text(journal(), text);
  EXPECT_FAULT(search(o), Fault::usage, "other format");
}

TEST_F(Search, RefusesOnceWhatNoTrialCanKeepTo) {
  SearchOptions o = searching({"label-smoothing=0,0.1"});
  o.train = by_lbfgs(o.train);
  o.train.base.plan.freeze_until = "0";
  EXPECT_FAULT(search(o), Fault::usage, "weights of blocks");
  tiny::ending("relu").save(o.train.base.model);
  o.train.base.plan.freeze_until = "auto";
  EXPECT_FAULT(search(o), Fault::usage, "--optimizer adam trains it");
}

TEST_F(Search, RefusesBeforeAnyWork) {
  SearchOptions o = searching({"lr=0.1,0.2"});
  o.train.base.data = folder_ / "absent";
  o.train.base.plan.lr = 0.3;
  EXPECT_FAULT(search(o), Fault::usage, "fixes it already");
  o.train.base.plan.lr.reset();
  o.train.base.plan.time = "soon";
  EXPECT_FAULT(search(o), Fault::usage, "'soon' is no duration");
  o = searching({});
  o.search.method = SearchMethod::grid;
  EXPECT_FAULT(search(o), Fault::usage, "what to combine");
  o = searching({"lr=0.1,0.2"});
  o.train.base.plan.deeper = true;
  EXPECT_FAULT(search(o), Fault::usage, "--deeper");
  EXPECT_FAULT(search(searching({"deeper=true,false"})), Fault::usage,
               "--try deeper");
  o = searching({"lr=0.1,0.2"});
  o.train.mix.snapshots = 2;
  EXPECT_FAULT(search(o), Fault::usage, "--snapshots");
  o = searching({"freeze-until=all,no-such-block"});
  EXPECT_FAULT(search(o), Fault::usage, "no-such-block");
}

TEST(SearchCommand, DurationsAreReadInTheirUnits) {
  EXPECT_EQ(parse_duration("90"), 90);
  EXPECT_EQ(parse_duration("90s"), 90);
  EXPECT_EQ(parse_duration("10m"), 600);
  EXPECT_EQ(parse_duration("1.5h"), 5400);
  for (const char* bad : {"", "m", "-1", "5d", "nan", "inf", "1 m"})
    EXPECT_FAULT(parse_duration(bad), Fault::usage, "is no duration");
}

TEST(SearchCommand, IsQuotedForAShell) {
  TrainOptions o;
  o.base.data = "my pets/it's";
  o.out = "pets.pt";
  o.base.plan.lr = 0.001;
  o.base.augment.flip = false;
  o.optim.find_lr = true;
  o.view.scales.values = {1, 1.5};
  o.base.input.mean = {0.5, 0.25, 1};
  EXPECT_EQ(train_command(o),
            "engraft train 'my pets/it'\\''s' --out pets.pt --lr 0.001 "
            "--no-flip --mean 0.5 0.25 1.0 --find-lr --scales 1.0,1.5");
}

}  // namespace
}  // namespace engraft
