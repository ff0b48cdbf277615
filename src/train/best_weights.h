#pragma once

#include <optional>
#include <string>

#include "engraft/train/fit.h"
#include "train/validation.h"

namespace engraft {

/// The best epoch's weights while a run goes on, and, where a stage has to
/// prove itself, those of the stage that it has to beat. Its figures are the
/// best_epoch, val_logits, val_labels and val_seconds of the run's FitResult.
class BestWeights {
 public:
  /// Both must outlive it.
  BestWeights(LiveChain& live, FitResult& result)
      : live_(live), result_(result) {}

  /// Remembers the live weights of an epoch, unless they are less accurate, by
  /// more than a standard error (McNemar's) on the same pictures, than the most
  /// accurate so far (the lower loss among equals). The rate falls towards the
  /// end, where weights are best: what an earlier epoch has more within the
  /// noise is chance. Where it does not fall, or training ends early, the later
  /// epoch of two that cannot be told apart is as good a guess as the earlier
  /// one. True when they are remembered.
  bool keep_epoch(int64_t epoch, const Validation& seen);

  /// Remembers the live weights, which are not those that an epoch ended with,
  /// when their accuracy is higher than that of what is remembered, or their
  /// loss lower at the same one. True when they are remembered.
  bool keep_if_better(int64_t epoch, const Validation& seen);

  /// Of those weights of highest accuracy; 0 before any epoch.
  int64_t most_accurate_epoch() const { return most_accurate_epoch_; }

  /// Begins the search anew: what was kept so far is no candidate any more.
  void begin_anew();

  /// Puts what is best so far aside under a name for people, and begins the
  /// search anew. Does nothing where no epoch has ended yet.
  void set_aside(const std::string& name);

  /// Keeps what came after that was put aside, which is called `name`, when it
  /// is better by so many standard errors, else what was put aside, and notes
  /// the proof. True when it is the former (or when nothing was put aside).
  bool settle(const std::string& name, double errors);

 private:
  struct Aside {
    std::string name;
    LiveChain::Snapshot weights;
    Validation seen;
    int64_t epoch = 0;
  };

  /// Notes the most accurate weights. True when nothing is remembered that
  /// these could be compared with.
  bool begins(int64_t epoch, const Validation& seen);
  void keep(int64_t epoch, const Validation& seen);

  LiveChain& live_;
  FitResult& result_;
  Validation best_;
  Validation most_accurate_;
  int64_t most_accurate_epoch_ = 0;
  std::optional<Aside> aside_;
};

}  // namespace engraft
