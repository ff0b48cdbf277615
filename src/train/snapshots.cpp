#include "train/snapshots.h"

#include "engraft/model/ensemble.h"
#include "engraft/model/surgery.h"
#include "train/beside.h"

namespace engraft {
namespace {

LiveChain::Snapshot as_they_are(const LiveChain::Snapshot& snapshot) {
  LiveChain::Snapshot out;
  for (const auto& [tensor, value] : snapshot)
    out.emplace_back(tensor, tensor.detach().clone());
  return out;
}

}  // namespace

SavedSnapshots save_snapshots(const Classifier& classifier,
                              const std::string& out, const FitResult& fitted) {
  SavedSnapshots saved;
  if (fitted.snapshots.empty()) return saved;
  const auto best = as_they_are(fitted.snapshots[0].state);
  std::vector<Classifier> members;
  for (const FitSnapshot& snapshot : fitted.snapshots) {
    LiveChain::restore(snapshot.state);
    Classifier member = classifier;
    member.module = classifier.module.deepcopy();
    member.module.to(torch::kCPU);
    member.path =
        beside(out, ".snapshot-" + std::to_string(members.size() + 1) + ".pt");
    member.record["snapshot"] = {{"number", members.size() + 1},
                                 {"val_accuracy", snapshot.val_accuracy},
                                 {"val_loss", snapshot.val_loss}};
    save_or_rescue(member, member.path);
    saved.members.push_back(
        {member.path, snapshot.val_accuracy, snapshot.val_loss});
    members.push_back(std::move(member));
  }
  LiveChain::restore(best);
  saved.ensemble = {beside(out, ".ensemble.pt"), fitted.ensemble_val_accuracy,
                    fitted.ensemble_val_loss};
  if (members.size() > 1)
    save_or_rescue(combine(members), saved.ensemble.path);
  else
    saved.ensemble.path.clear();
  return saved;
}

}  // namespace engraft
