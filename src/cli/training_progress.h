#pragma once

#include <string>

#include "cli/progress.h"
#include "engraft/train/trainer.h"

namespace engraft::cli {

/// Prints data, plan, notes, a bar and one line an epoch on standard error
/// while the library works.
class TrainingProgress {
 public:
  /// Valid as long as this lives. `stop` follows Ctrl-C.
  TrainCallbacks callbacks();
  void clear() { progress_.clear(); }

 private:
  void planned(const TransferPlan& plan, const ImageFolder& folder,
               const Classifier& classifier);
  void progress(const TrainProgress& now);
  void epoch(const EpochResult& result);

  Progress progress_;
  bool header_printed_ = false;
};

}  // namespace engraft::cli
