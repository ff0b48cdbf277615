#include "engraft/train/search.h"

#include <c10/util/Exception.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "data/bytes.h"
#include "data/content_hash.h"
#include "stopwatch.h"
#include "train/search_journal.h"
#include "train/search_reduce.h"
#include "train/trial_outcome.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;

// Of trials, which do not compare with those of another one: raised with what
// is trained, or kept as best, for the same options.
constexpr int kFormat = 5;

// From so much time on, the default space also trains whole models.
constexpr double kTimeForWholeModels = 30 * 60;

/// Where the trials' models go, which nobody needs.
class Scratch {
 public:
  Scratch() {
    std::error_code error;
    const fs::path folder = fs::temp_directory_path(error);
    std::string name = (folder / "engraft-search-XXXXXX").string();
    if (error || !mkdtemp(name.data()))
      fail(Fault::io, name, ": no folder can be made for the trials; TMPDIR ",
           "says where");
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string model() const { return (path_ / "trial.pt").string(); }

 private:
  fs::path path_;
};

/// Whose fault it is not: the trial's own options are.
bool is_of_the_trial(Fault fault) {
  return fault == Fault::model || fault == Fault::usage;
}

/// The options that all trials share, with what the plan measured, so that no
/// trial measures it again. What pictures are like is each model's own to say.
TrainOptions shared_options(const SearchOptions& options,
                            const SearchParts& parts, const TransferPlan& plan,
                            bool other_models) {
  TrainOptions out = options.train;
  out.base.data_options.val_fraction = parts.val_fraction;
  out.base.plan.time = "0";
  out.base.plan.size = plan.size;
  if (!other_models) out.base.plan.similarity = plan.similarity.verdict;
  return out;
}

class Search {
 public:
  Search(const SearchOptions& options, const SearchCallbacks& callbacks)
      : settings_(options.search),
        callbacks_(callbacks),
        limit_(parse_duration(options.train.base.plan.time)),
        parts_(split_for_search(options.train, options.search.test_fraction)) {
    // Unless all heads are solved for, as for one trained by steps: a solved
    // one has no epochs to tell.
    PlannedRun run;
    run.optimizer = options.train.optim.optimizer == OptimizerKind::lbfgs
                        ? OptimizerKind::lbfgs
                        : OptimizerKind::adam;
    run.found = &parts_.trials;
    space_ = make_space(settings_.space, settings_.tries);
    PlanCommandOptions unhurried = options.train.base;
    unhurried.plan.time = "0";
    for (const SearchDimension& dimension : space_)
      if (dimension.name == "model")
        unhurried.model = dimension.choices.front().get<std::string>();
    const PlanResult planned = make_plan(unhurried, plan_callbacks(), run);
    fixed_ =
        shared_options(options, parts_, planned.plan, searches_models(space_));
    const bool own_space = !space_.empty();
    meaning_.emplace(fixed_, planned, space_);
    if (!own_space) space_ = default_space(fixed_, space_inputs(planned));
    if (space_.empty())
      fail(Fault::usage, "there is nothing left to search: the flags fix all ",
           "of the default space; give --try NAME=VALUES");
    check_blocks();
    candidates_ = candidates(own_space);
    journal_.emplace(fixed_.out + ".search.jsonl", identity(planned));
  }

  SearchResult run() {
    if (callbacks_.started)
      callbacks_.started({parts_, space_, candidates_, journal_->path(),
                          std::ssize(journal_->results()), journal_->mended()});
    try_candidates();
    result_.data = fixed_.base.data;
    result_.out = fixed_.out;
    result_.journal = journal_->path();
    result_.method = settings_.method;
    result_.space = space_;
    result_.candidates = std::ssize(candidates_);
    result_.trials = journal_->results();
    std::ranges::sort(result_.trials, is_better_trial);
    choose_winner();
    result_.seconds = watch_.seconds();
    return std::move(result_);
  }

 private:
  TrainCallbacks plan_callbacks() const {
    TrainCallbacks out;
    out.progress = [this](const TrainProgress& now) {
      if (callbacks_.progress) callbacks_.progress(0, now);
    };
    return out;
  }

  SpaceInputs space_inputs(const PlanResult& planned) const {
    constexpr double kBackboneRate = 1e-4;  // the plan's, where it has none
    SpaceInputs out;
    out.blocks = meaning_->chain().num_blocks();
    out.only_head = planned.classifier.frozen_graph ||
                    fixed_.optim.optimizer == OptimizerKind::lbfgs;
    out.whole_model = limit_ >= kTimeForWholeModels;
    out.epochs = planned.plan.epochs;
    out.lr = planned.plan.head_lr;
    out.backbone_lr =
        planned.plan.backbone_lr > 0 ? planned.plan.backbone_lr : kBackboneRate;
    return out;
  }

  /// Block names can only be told from the model. An update rule for heads does
  /// not go with blocks, unless both are searched.
  void check_blocks() const {
    const std::string lbfgs(name_of(OptimizerKind::lbfgs));
    const bool all_heads = fixed_.optim.optimizer == OptimizerKind::lbfgs;
    const auto check = [&](const std::string& flag, const std::string& name,
                           bool heads) {
      if (name == "auto" || name == "all") return;
      const int64_t block = meaning_->chain().find_block(name);
      if (heads && block < meaning_->chain().num_blocks())
        fail(Fault::usage, flag, " ", name, " is for trained blocks, and ",
             all_heads ? "--optimizer " : "--try optimizer=", lbfgs,
             " solves for the head alone: leave one of them out");
    };
    for (const SearchDimension& dimension : space_)
      for (const Json& value : dimension.choices)
        if (dimension.name == "freeze-until")
          check("--try freeze-until", value.get<std::string>(), all_heads);
        else if (dimension.name == "optimizer" && value == lbfgs)
          check("--freeze-until", fixed_.base.plan.freeze_until, true);
  }

  std::vector<TrialOptions> candidates(bool own_space) const {
    const auto reduce = [this](TrialOptions options) {
      return meaning_->reduce(std::move(options));
    };
    std::vector<TrialOptions> out;
    if (settings_.method == SearchMethod::grid) {
      for (TrialOptions& point : grid(space_))
        if (point = reduce(point); !std::ranges::count(out, point))
          out.push_back(point);
      return out;
    }
    if (!own_space) out.push_back(Json::object());  // the plan itself
    const auto seed = fixed_.base.run.seed;
    for (auto& options : distinct_samples(
             space_, seed, settings_.trials - std::ssize(out), reduce))
      out.push_back(std::move(options));
    return out;
  }

  Json identity(const PlanResult& planned) const {
    Json flags = to_json(fixed_);
    for (const char* key : {"out", "preview", "threads", "verbose", "cache",
                            "cache-limit", "cache-memory", "seed", "model",
                            "curves", "crops", "average", "scales"})
      flags.erase(key);
    const auto hash = [](const std::string& path) {
      const auto bytes = read_bytes(path);
      return content_hash(Bytes(bytes)).hex();
    };
    const std::string planned_hash = hash(planned.model);
    Json models = Json::object();
    for (const SearchDimension& dimension : space_)
      if (dimension.name == "model")
        for (const std::string path : dimension.choices)
          models[path] = path == planned.model ? planned_hash : hash(path);
    // What trials take over from it.
    const TrainOptions own = meaning_->options(Json::object());
    return {{"data", parts_.winner.fingerprint},
            {"split",
             {{"how", parts_.how}, {"test-fraction", settings_.test_fraction}}},
            {"model", planned_hash},
            {"models", models},
            {"space", to_json(space_)},
            {"method", std::string(name_of(settings_.method))},
            {"seed", fixed_.base.run.seed},
            {"format", kFormat},
            {"plan",
             {{"freeze-until", own.base.plan.freeze_until},
              {"epochs", own.base.plan.epochs.value_or(0)},
              {"backbone-lr", own.base.plan.backbone_lr.value_or(0)},
              {"augment", to_json(own.base.augment)}}},
            {"flags", flags}};
  }

  bool out_of_time() const { return limit_ > 0 && watch_.seconds() >= limit_; }
  bool asked_to_stop() const { return callbacks_.stop && callbacks_.stop(); }

  void try_candidates() {
    while (auto trial =
               next_trial(settings_.method, candidates_, journal_->results())) {
      result_.interrupted = asked_to_stop();
      result_.out_of_time = out_of_time();
      if (result_.interrupted || result_.out_of_time) return;
      const auto done = run_trial(*trial);
      if (!done) continue;  // stopped: the loop says by what
      journal_->append(*done);
      if (callbacks_.trial) callbacks_.trial(*done);
    }
  }

  /// Nullopt when it was stopped.
  std::optional<TrialResult> run_trial(const Trial& trial) const {
    TrialResult out;
    out.number = trial.number;
    out.rung = trial.rung;
    out.options = trial.options;
    const Stopwatch watch;
    try {
      TrainOptions options = meaning_->options(trial.options);
      out.whole = meaning_->solved(options);
      const int64_t all = meaning_->epochs(options);
      meaning_->shorten(options, trial.share);
      options.out = scratch_.model();
      options.preview.clear();
      options.curves = false;
      options.view = ViewOptions();
      options.view.crops = 1;
      const TrainResult trained =
          train(options, callbacks_of(trial.number), &parts_.trials);
      if (trained.interrupted) return std::nullopt;
      take_over(trained, all, out);
    } catch (const Error& error) {
      if (!is_of_the_trial(error.fault)) throw;
      out.failed = error.what();
    } catch (const c10::Error& error) {
      out.failed = error.what_without_backtrace();
    } catch (const std::bad_alloc&) {
      out.failed = "out of memory";
    }
    out.seconds = watch.seconds();
    return out;
  }

  void take_over(const TrainResult& trained, int64_t all,
                 TrialResult& out) const {
    const EpochResult& best =
        trained.epochs.at(static_cast<size_t>(trained.best_epoch - 1));
    const TransferPlan& plan = trained.plan;
    out.epochs = plan.epochs;
    out.best_epoch = epoch_of_try(best, plan);
    out.head_epochs = plan.head_epochs;
    out.solved = best.solved;
    // Of more epochs blocks might be better than it.
    const bool only_head = plan.epochs == plan.head_epochs;
    out.whole = (out.solved && only_head) || plan.epochs >= all;
    out.averaged = best.average_is_best;
    out.reestimated = trained.batch_norms && trained.batch_norms->kept;
    if (!out.solved)
      out.as_trained =
          options_as_trained(trained, fixed_, meaning_->other_models());
    const SnapshotFigures saved = saved_figures(trained);
    out.val_accuracy = saved.accuracy.value_or(0);
    out.val_loss = saved.loss.value_or(0);
  }

  TrainCallbacks callbacks_of(int64_t number) const {
    TrainCallbacks out;
    out.progress = [this, number](const TrainProgress& now) {
      if (callbacks_.progress) callbacks_.progress(number, now);
    };
    out.stop = [this, number] {
      return asked_to_stop() || (number > 0 && out_of_time());
    };
    return out;
  }

  /// As many epochs as were best, of which the head alone had as many. Without
  /// validation nothing tells again what is better: as in its trial.
  TrainOptions winner_options(const TrialResult& winner) const {
    TrainOptions out = meaning_->options(winner.options);
    if (!winner.averaged) out.mix.average = WeightAverage::none;
    if (!winner.reestimated) out.mix.bn_reestimate = false;
    if (winner.solved) {
      // Also where blocks were tried after it: nothing proves them again.
      if (out.base.plan.freeze_until == "auto")
        out.base.plan.freeze_until = "all";
      return out;
    }
    set_options(out, winner.as_trained);
    out.base.plan.epochs = winner.best_epoch;
    if (winner.head_epochs < winner.epochs)
      out.base.plan.head_epochs =
          std::min(winner.head_epochs, winner.best_epoch);
    return out;
  }

  void choose_winner() {
    if (result_.trials.empty()) return;
    const TrialResult& best = result_.trials.front();
    if (!best.failed.empty()) {
      if (result_.interrupted || result_.out_of_time) return;
      fail(Fault::model, "all ", result_.trials.size(), " trials failed, the ",
           "first one by: ", best.failed);
    }
    result_.winner = best;
    const TrainOptions options = winner_options(best);
    result_.command = train_command(options);
    if (result_.interrupted) return;
    result_.trained = train(options, callbacks_of(0), &parts_.winner);
    result_.interrupted = result_.trained->interrupted;
  }

  SearchSettings settings_;
  const SearchCallbacks& callbacks_;
  const Stopwatch watch_;
  double limit_;
  SearchParts parts_;
  TrainOptions fixed_;
  SearchSpace space_;
  std::optional<TrialMeaning> meaning_;
  std::vector<TrialOptions> candidates_;
  std::optional<SearchJournal> journal_;
  Scratch scratch_;
  SearchResult result_;
};

}  // namespace

SearchResult search(const SearchOptions& options,
                    const SearchCallbacks& callbacks) {
  options.validate();
  check_writable(options.train.out);
  if (!options.train.preview.empty()) check_writable(options.train.preview);
  return Search(options, callbacks).run();
}

}  // namespace engraft
