#include "cli/weights_text.h"

#include "cli/text.h"

namespace engraft::cli {

std::string soup_text(const TrainResult& result) {
  if (result.soup.empty()) return "";
  std::vector<std::string> members;
  for (const int64_t number : result.soup) {
    const EpochResult& epoch = result.epochs.at(number - 1);
    members.push_back(std::to_string(number) + " (" +
                      percent(epoch.val_accuracy) + ", loss " +
                      fixed(epoch.val_loss, 3) + ")");
  }
  const SnapshotFigures& soup = result.soup_figures;
  return paragraph("soup", "of epochs " + listed(members, members.size()) +
                               ": validation accuracy " +
                               percent(soup.accuracy.value_or(0)) + ", loss " +
                               fixed(soup.loss.value_or(0), 3) + ", in " +
                               duration(soup.seconds));
}

std::string batch_norms_text(const TrainResult& result) {
  if (!result.batch_norms) return "";
  if (result.batch_norms->kept) return ", batch norms measured anew";
  const SnapshotFigures& f = result.batch_norms->figures;
  return ", batch norms as they were (measured anew: " +
         percent(f.accuracy.value_or(0)) + ", loss " +
         fixed(f.loss.value_or(0), 3) + ")";
}

std::string snapshots_text(const SavedSnapshots& saved) {
  if (saved.members.empty()) return "";
  std::vector<std::vector<std::string>> rows{
      {"snapshot", "val acc", "val loss", "time"}};
  const auto add = [&](const SavedSnapshot& s, const std::string& name) {
    const SnapshotFigures& f = s.figures;
    rows.push_back({name, f.accuracy ? percent(*f.accuracy) : "-",
                    f.loss ? fixed(*f.loss, 3) : "-", duration(f.seconds)});
  };
  for (const SavedSnapshot& member : saved.members) add(member, member.path);
  if (!saved.ensemble.path.empty())
    add(saved.ensemble, saved.ensemble.path + " (average of " +
                            std::to_string(saved.members.size()) + ")");
  return table(rows, std::string(10, ' '));
}

}  // namespace engraft::cli
