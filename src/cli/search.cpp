#include "engraft/train/search.h"

#include <iostream>
#include <memory>

#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/search_text.h"
#include "cli/text.h"

namespace engraft::cli {
namespace {

/// Prints the start, a bar, and one line a trial on standard error.
class SearchProgress {
 public:
  SearchCallbacks callbacks() {
    SearchCallbacks out;
    out.started = [this](const SearchStart& start) {
      progress_.clear();
      std::cerr << search_start_text(start) << std::flush;
    };
    out.trial = [this](const TrialResult& trial) { show(trial); };
    out.progress = [this](int64_t number, const TrainProgress& now) {
      const std::string who =
          number > 0 ? "trial " + std::to_string(number) : "winner";
      progress_.show(now.phase == "similarity" ? "looking at pictures"
                                               : who + " " + now.phase,
                     now.images, now.images_in_epoch);
    };
    out.stop = InterruptScope::requested;
    return out;
  }
  void clear() { progress_.clear(); }

 private:
  void show(const TrialResult& trial) {
    progress_.clear();
    if (!header_printed_) std::cerr << trial_header();
    header_printed_ = true;
    std::cerr << trial_line(trial) << std::flush;
  }

  Progress progress_;
  bool header_printed_ = false;
};

int search_command(const SearchOptions& options, bool json) {
  options.validate();
  const InterruptScope interrupts;
  SearchProgress progress;
  const SearchResult result = search(options, progress.callbacks());
  progress.clear();
  if (json)
    print_json(std::cout, to_json(result));
  else
    std::cout << search_text(result);
  if (result.interrupted) return kInterrupted;
  // Nothing was saved: --time was too short.
  return result.winner ? 0 : static_cast<int>(Fault::usage);
}

}  // namespace

void add_search(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<SearchOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand(
      "search",
      "Tries options of train on a folder of images, and trains with "
      "the best.");
  command->add_option("DATA", options->train.base.data, "images as for train");
  bind(*command, *options);
  group<SearchSettings>(*command, "Search");
  add_json_flag(*command, *json);
  command->footer(
      "  engraft search pets --out pets.pt --time 10m --try "
      "lr=1e-4..1e-2:log");
  command->callback([options, json, &exit_code] {
    exit_code = search_command(*options, *json);
  });
}

}  // namespace engraft::cli
