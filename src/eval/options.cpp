#include "engraft/eval/options.h"

namespace engraft {

void ViewOptions::validate() const {
  if (crops != 1 && crops != 5 && crops != 10)
    fail(Fault::usage, "--crops: ", crops, " is not one of 1, 5, 10");
}

void EvalOptions::validate() const {
  require(model, "MODEL", "a TorchScript file");
  require(data, "DATA", kDataMeaning);
  check_ranges(*this);
  view.validate();
  input.validate();
  for (const char* known : {"auto", "train", "val", "test", "all"})
    if (split == known) return;
  fail(Fault::usage, "--split: '", split,
       "' is not one of auto, train, val, test, all");
}

void PredictOptions::validate() const {
  require(model, "MODEL", "a TorchScript file");
  check_ranges(*this);
  view.validate();
  input.validate();
}

}  // namespace engraft
