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

  /// Remembers the live weights when they are better than the best so far: of
  /// those whose accuracy is not worse than the highest by one standard error
  /// (McNemar, on the same pictures), the ones of lowest loss; always without
  /// pictures to judge by. True when they are.
  bool keep_if_best(int64_t epoch, const Validation& seen);

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

  bool is_as_accurate(const Validation& seen) const;
  bool is_better(const Validation& seen);

  LiveChain& live_;
  FitResult& result_;
  Validation best_;
  Validation most_accurate_;  ///< which may be another epoch's
  std::optional<Aside> aside_;
};

}  // namespace engraft
