#include "engraft/train/options.h"

namespace engraft {

void TrainOptions::validate() const {
  check_ranges(*this);
  base.validate();
  view.validate();
  require(out, "--out", "the file to write the fine-tuned model to");
}

}  // namespace engraft
