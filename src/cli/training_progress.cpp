#include "cli/training_progress.h"

#include <iostream>

#include "cli/data_text.h"
#include "cli/epoch_text.h"
#include "cli/interrupt.h"
#include "cli/plan_text.h"
#include "cli/text.h"

namespace engraft::cli {

TrainCallbacks TrainingProgress::callbacks() {
  TrainCallbacks out;
  out.planned = [this](const auto& plan, const auto& folder,
                       const auto& classifier) {
    planned(plan, folder, classifier);
  };
  out.progress = [this](const TrainProgress& now) { progress(now); };
  out.epoch = [this](const EpochResult& result) { epoch(result); };
  out.stop = InterruptScope::requested;
  return out;
}

void TrainingProgress::planned(const TransferPlan& plan,
                               const ImageFolder& folder,
                               const Classifier& classifier) {
  progress_.clear();
  for (const auto& text : classifier.notes) note(text);
  std::cerr << data_text(folder) << model_line(classifier) << plan_text(plan)
            << std::flush;
}

void TrainingProgress::progress(const TrainProgress& now) {
  if (now.phase != "train" && now.phase != "val") {
    const std::string label = now.phase == "similarity" ? "looking at pictures"
                              : now.phase == "features" ? "frozen blocks"
                              : now.phase == "test"     ? "testing"
                                                        : now.phase;
    return progress_.show(label, now.images, now.images_in_epoch);
  }
  std::string details = fixed(now.images_per_second, 0) + " images/s";
  if (now.phase == "train") details += "  loss " + fixed(now.loss, 3);
  details += "  " + duration(now.eta_seconds) + " left";
  progress_.show("epoch " + std::to_string(now.epoch) + "/" +
                     std::to_string(now.epochs) + " " + now.phase,
                 now.images, now.images_in_epoch, details);
}

void TrainingProgress::epoch(const EpochResult& result) {
  progress_.clear();
  if (!header_printed_) std::cerr << epoch_header();
  header_printed_ = true;
  std::cerr << epoch_line(result) << std::flush;
}

}  // namespace engraft::cli
