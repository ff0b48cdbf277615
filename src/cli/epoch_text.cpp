#include "cli/epoch_text.h"

#include <iomanip>
#include <sstream>

#include "cli/text.h"

namespace engraft::cli {
namespace {

constexpr double kLargeGap = 0.1;

}  // namespace

std::string epoch_header() {
  return "  epoch  stage   train loss  train acc  val loss   val acc  "
         "images/s        time\n";
}

std::string epoch_line(const EpochResult& epoch) {
  std::ostringstream out;
  out << (epoch.best ? "* " : "  ") << std::setw(5) << epoch.epoch << "  "
      << std::left << std::setw(6) << epoch.stage << std::right << std::setw(12)
      << fixed(epoch.train_loss, 3) << std::setw(11)
      << percent(epoch.train_accuracy) << std::setw(10)
      << fixed(epoch.val_loss, 3) << std::setw(10)
      << percent(epoch.val_accuracy) << std::setw(10)
      << fixed(epoch.images_per_second, 0) << std::setw(12)
      << duration(epoch.seconds);
  if (epoch.average_val_accuracy)
    out << "  average of weights " << percent(*epoch.average_val_accuracy)
        << ", loss " << fixed(*epoch.average_val_loss, 3) << ", "
        << duration(epoch.average_seconds);
  out << '\n';
  return out.str();
}

std::string epoch_table(const std::vector<EpochResult>& epochs) {
  std::string out = epoch_header();
  for (const auto& epoch : epochs) out += epoch_line(epoch);
  return out;
}

std::string gap_text(const EpochResult& best, AugmentStrength views) {
  const double gap = best.train_accuracy - best.val_accuracy;
  if (!(gap > kLargeGap)) return "";
  // Light views are light because others may show something else.
  const std::string pictures = views == AugmentStrength::standard
                                   ? "More pictures, --augment strong"
                                   : "More pictures";
  return paragraph(
      "gap", "training accuracy is " + fixed(100 * gap, 1) +
                 " points above validation: the model learns its training "
                 "pictures by heart. " +
                 pictures +
                 (best.solved ? " or a higher --head-l2"
                  : best.stage == "head"
                      ? " or a higher --weight-decay"
                      : ", a higher --weight-decay or fewer trained blocks "
                        "(--freeze-until)") +
                 " narrow the gap");
}

}  // namespace engraft::cli
