#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engraft/data/image_folder.h"
#include "engraft/train/options.h"
#include "engraft/train/search_schedule.h"
#include "engraft/train/search_space.h"
#include "engraft/train/trainer.h"

namespace engraft {

/// How `engraft search` looks for options; its budget is PlanOptions::time.
struct SearchSettings {
  SearchMethod method = SearchMethod::halving;
  int64_t trials = 24;
  double test_fraction = 0.2;
  std::string space;
  std::vector<std::string> tries;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("method", self.method,
          "halving: a ninth of the epochs for all, three times as many for the "
          "best third each time; random: all epochs for all; grid: every "
          "combination of listed values",
          Any{});
    visit("trials", self.trials, "candidates of halving and random",
          Range{1, 100000});
    visit("test-fraction", self.test_fraction,
          "share of each class that no trial sees, for the winner's test, "
          "when DATA has no split of its own; --val-fraction of the others "
          "judge the trials",
          Range{0.01, 0.9});
    visit("space", self.space,
          "JSON file of what to try: {\"lr\": \"1e-4..1e-2:log\", "
          "\"augment\": [\"light\", \"strong\"]}",
          Any{});
    visit("try", self.tries,
          "NAME=a,b,c, NAME=low..high or NAME=low..high:log for an option of "
          "train. Without --try and --space: freeze-until at "
          "all, 5/6, 2/3 and 1/2 of the blocks (and none, with --time 30m or "
          "more), lr and backbone-lr from a tenth to ten times the plan's, "
          "epochs from half to twice the plan's, augment light, standard or "
          "strong, label-smoothing 0 or 0.1, after the plan itself",
          Any{});
  }
};

/// `engraft search`: the options of train are what all trials share.
struct SearchOptions {
  SearchSettings search;
  TrainOptions train;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    SearchSettings::fields(self.search, visit);
    TrainOptions::fields(self.train, visit);
  }
  /// Of the space too. Throws Error(Fault::usage).
  void validate() const;
};

/// The pictures of DATA in the parts of a search. A picture and its copies are
/// in one part.
struct SearchParts {
  ImageFolder trials;  ///< train: what they learn from; val: what judges them
  ImageFolder winner;  ///< train: both of these; test: what no trial saw
  std::string how;     ///< in words: where each part comes from
  double val_fraction = 0;  ///< with which `train` finds winner.train in DATA
};
/// DATA with val and test: trials learn from train and are judged by val. With
/// val alone, that is the part that no trial sees, and --val-fraction of train
/// judges the trials. Without either, test_fraction is held out for it first.
SearchParts split_for_search(const TrainOptions& options, double test_fraction);

/// What a search begins with.
struct SearchStart {
  const SearchParts& parts;
  const SearchSpace& space;
  const std::vector<TrialOptions>& candidates;
  std::string journal;  ///< file of the finished trials
  int64_t found = 0;    ///< trainings in it already
  bool mended = false;  ///< its last line was cut short, and was dropped
};

/// All are optional; called from the thread that searches.
struct SearchCallbacks {
  std::function<void(const SearchStart&)> started;
  std::function<void(const TrialResult&)> trial;
  /// number  of the trial, 0 for the winner
  std::function<void(int64_t number, const TrainProgress&)> progress;
  std::function<bool()> stop;
};

struct SearchResult {
  std::string data, out, journal;
  SearchMethod method = SearchMethod::halving;
  SearchSpace space;
  std::vector<TrialResult> trials;  ///< the best first
  int64_t candidates = 0;
  bool out_of_time = false, interrupted = false;
  std::optional<TrialResult> winner;
  /// That trains with the winner's options; on the parts that train takes.
  std::string command;
  std::optional<TrainResult> trained;  ///< the winner, tested; unless stopped
  double seconds = 0;
};

/// `engraft search`, whole: splits, tries, trains the winner on all pictures
/// that trials saw, for as many epochs as were best in its trial, tests it once
/// on those that none saw, and saves it. Every finished trial is in
/// OUT.search.jsonl at once; with that file there it goes on from it. Trials
/// that fail are kept with their reason. Throws Error(Fault::model) when all
/// failed, else as train and SearchJournal do.
SearchResult search(const SearchOptions& options,
                    const SearchCallbacks& callbacks = {});

/// `engraft train DATA ...` with every option that is not the default, quoted
/// for a POSIX shell.
std::string train_command(const TrainOptions& options);

/// space, method, trials, winner (options, command, val, test), seconds, ...
Json to_json(const SearchResult& result);

}  // namespace engraft
