#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engraft/options.h"
#include "engraft/train/search_space.h"

namespace engraft {

enum class SearchMethod { random, grid, halving };
ENGRAFT_ENUM_NAMES(SearchMethod, "random", "grid", "halving");

/// One training to be done.
struct Trial {
  int64_t number = 0;    ///< of the candidate, from 1
  int64_t rung = 0;      ///< of halving; 0 otherwise
  double share = 1;      ///< of its epochs
  TrialOptions options;  ///< that it sets
};

/// What came of it. Accuracy in [0, 1], loss in nats, of its best epoch.
struct TrialResult {
  int64_t number = 0, rung = 0;
  TrialOptions options;
  int64_t epochs = 0, best_epoch = 0;
  int64_t head_epochs = 0;   ///< of these, that trained the head alone
  bool solved = false;       ///< a head by L-BFGS, which knows no epochs
  bool whole = false;        ///< with all of its epochs: no rung gives it more
  bool averaged = false;     ///< an average of its weights was best
  bool reestimated = false;  ///< batch norms measured anew were
  /// Options beside these with which it is trained again as it was. An object.
  TrialOptions as_trained = TrialOptions::object();
  double val_accuracy = 0, val_loss = 0, seconds = 0;
  std::string failed;  ///< why; "" when it did not
};

/// The higher accuracy, the lower loss, the higher rung, the lower number; a
/// failed one is behind all others.
bool is_better_trial(const TrialResult& a, const TrialResult& b);

/// Each rung of halving has this many times the epochs of the one below, and
/// about one of so many trials rises; the last of kRungs has all epochs.
inline constexpr int64_t kEta = 3, kRungs = 3;

/// The next training, or none when the search is complete. A pure function of
/// what is finished, so a search goes on wherever it stopped.
///
/// random and grid take the candidates in their order. halving is successive
/// halving (Jamieson and Talwalkar 2016) with the promotions of ASHA (Li et
/// al. 2020, algorithm 2), one trial after the other: as soon as a trial is
/// among the best floor(n / 3) of the n of its rung it rises, the highest rung
/// first; else the next candidate begins in rung 0. When no more can come to a
/// rung, its best one rises at least. A trial that is `whole` rises without
/// training.
std::optional<Trial> next_trial(SearchMethod method,
                                const std::vector<TrialOptions>& candidates,
                                const std::vector<TrialResult>& finished);

/// One line of the journal, and back. Throws Json::exception.
Json to_json(const TrialResult& result);
TrialResult trial_result(const Json& json);

}  // namespace engraft
