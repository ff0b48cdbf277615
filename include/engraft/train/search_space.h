#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engraft/json.h"
#include "engraft/train/options.h"

namespace engraft {

enum class Draw { choice, uniform, log_uniform };

/// One option of `engraft train` and the values that it may take.
struct SearchDimension {
  std::string name;  ///< as the flag, without dashes
  Draw draw = Draw::choice;
  std::vector<Json> choices;  ///< null: "auto"
  double low = 0, high = 0;   ///< of the other two, both included
  bool whole = false;         ///< rounded to whole numbers
};
using SearchSpace = std::vector<SearchDimension>;

/// Values of options under their names: what a trial sets.
using TrialOptions = Json;

/// "NAME=VALUES", VALUES one of a,b,c (choices), low..high (uniform) and
/// low..high:log (log-uniform). Throws Error(Fault::usage): an unknown name
/// (the nearest one is told), one that would change how trials are compared,
/// values that the option does not allow.
SearchDimension parse_dimension(const std::string& text);

/// The dimensions of a JSON file {"NAME": "VALUES" or [a, b, c], ...} (none
/// for "") and of texts as parse_dimension takes them. Throws
/// Error(Fault::usage) as it does, and on a name given twice.
SearchSpace make_space(const std::string& path,
                       const std::vector<std::string>& texts);

/// Throws Error(Fault::usage) when `fixed` already sets a searched option to
/// something else than its default.
void refuse_fixed(const SearchSpace& space, const TrainOptions& fixed);

/// What default_space looks at.
struct SpaceInputs {
  int64_t blocks = 0;              ///< of the model, without its head
  bool only_head = false;          ///< no blocks can be trained
  bool whole_model = false;        ///< there is time to train all blocks
  int64_t epochs = 0;              ///< of the plan
  double lr = 0, backbone_lr = 0;  ///< of the plan
};
/// The space where none is given; options that `fixed` sets or that do not go
/// with it are left out:
///   freeze-until     all, 5/6, 2/3 and 1/2 of the blocks; none with
///                    whole_model
///   lr, backbone-lr  log-uniform, a tenth to ten times the plan's
///   epochs           half of the plan's, the plan's, twice these
///   augment          light, standard, strong
///   label-smoothing  0, 0.1
SearchSpace default_space(const TrainOptions& fixed, const SpaceInputs& inputs);

/// The value at quantile u in [0, 1). Fractions have four significant digits;
/// whole numbers are as likely as the distribution between their halves.
Json draw(const SearchDimension& dimension, double u);

/// What trial `number` sets, by seed, number and names alone: a dimension more
/// or less changes no other value.
TrialOptions sample(const SearchSpace& space, int64_t seed, int64_t number);

/// All combinations, the last dimension fastest. Throws Error(Fault::usage)
/// for a range, which has no points, and above 100000 points.
std::vector<TrialOptions> grid(const SearchSpace& space);

/// `count` samples that differ once `reduce` took out what has no effect, or
/// as many as there are.
std::vector<TrialOptions> distinct_samples(
    const SearchSpace& space, int64_t seed, int64_t count,
    const std::function<TrialOptions(TrialOptions)>& reduce);

/// Throws Error(Fault::usage) as the flags do.
void set_options(TrainOptions& options, const TrialOptions& values);

/// {name: [choices] or "low..high:log"}: what make_space reads.
Json to_json(const SearchSpace& space);

}  // namespace engraft
