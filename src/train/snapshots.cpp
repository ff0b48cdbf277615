#include "train/snapshots.h"

#include <filesystem>

#include "engraft/model/ensemble.h"
#include "engraft/model/surgery.h"
#include "train/beside.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;

LiveChain::Snapshot as_they_are(const LiveChain::Snapshot& snapshot) {
  LiveChain::Snapshot out;
  for (const auto& [tensor, value] : snapshot)
    out.emplace_back(tensor, tensor.detach().clone());
  return out;
}

std::string member_path(const std::string& out, size_t number) {
  return beside(out, ".snapshot-" + std::to_string(number) + ".pt");
}

/// What is in the record of the best model, with this one's own figures.
Json record_of(Json record, const FitSnapshot& snapshot, size_t number) {
  // These are the best epoch's.
  for (const char* key : {"val", "test", "best_epoch"}) record[key] = Json();
  record["temperature"] = snapshot.temperature;
  record["snapshot"] = {{"number", number},
                        {"val_accuracy", or_null(snapshot.figures.accuracy)},
                        {"val_loss", or_null(snapshot.figures.loss)}};
  return record;
}

/// Files of more snapshots than `members` that an earlier run left.
std::vector<std::string> stale_files(const std::string& out, size_t members) {
  std::vector<std::string> found;
  std::error_code error;
  for (size_t n = members + 1; fs::exists(member_path(out, n), error); ++n)
    found.push_back(member_path(out, n));
  const std::string ensemble = beside(out, ".ensemble.pt");
  if (members < 2 && fs::exists(ensemble, error)) found.push_back(ensemble);
  return found;
}

}  // namespace

SavedSnapshots save_snapshots(const Classifier& classifier,
                              const std::string& out, const FitResult& fitted) {
  SavedSnapshots saved;
  saved.stale = stale_files(out, fitted.others.snapshots.size());
  if (fitted.others.snapshots.empty()) return saved;
  const auto best = as_they_are(fitted.others.snapshots[0].state);
  std::vector<Classifier> members;
  for (const FitSnapshot& snapshot : fitted.others.snapshots) {
    LiveChain::restore(snapshot.state);
    Classifier member = classifier;
    member.module = classifier.module.deepcopy();
    member.module.to(torch::kCPU);
    const size_t number = members.size() + 1;
    member.path = member_path(out, number);
    member.record = record_of(classifier.record, snapshot, number);
    save_or_rescue(member, member.path);
    saved.members.push_back({member.path, snapshot.figures});
    members.push_back(std::move(member));
  }
  LiveChain::restore(best);
  saved.ensemble = {beside(out, ".ensemble.pt"), fitted.others.ensemble};
  if (members.size() > 1)
    save_or_rescue(combine(members), saved.ensemble.path);
  else
    saved.ensemble.path.clear();
  return saved;
}

}  // namespace engraft
