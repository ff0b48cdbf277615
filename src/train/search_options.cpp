#include <algorithm>

#include "engraft/train/search.h"
#include "train/step_options.h"

namespace engraft {

void SearchOptions::validate() const {
  check_ranges(search);
  train.validate();
  const SearchSpace space = make_space(search.space, search.tries);
  refuse_fixed(space, train);
  if (train.optim.optimizer == OptimizerKind::lbfgs)
    for (const SearchDimension& dimension : space)
      if (std::ranges::count(step_options(), dimension.name))
        refuse_step_option("--try " + dimension.name, dimension.name);
  if (train.base.plan.deeper)
    fail(Fault::usage,
         "--deeper belongs to train: trials have their blocks given");
  if (train.mix.snapshots > 0)
    fail(Fault::usage,
         "--snapshots belongs to train: a trial keeps one model; add it to the "
         "command that the search prints");
  if (search.method != SearchMethod::grid) return;
  if (space.empty())
    fail(Fault::usage,
         "--method grid: say by --try or --space what to combine");
  grid(space);
}

}  // namespace engraft
