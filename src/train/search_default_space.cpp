#include <algorithm>
#include <cmath>
#include <set>

#include "engraft/train/search_space.h"

namespace engraft {
namespace {

SearchDimension choices(const std::string& name, std::vector<Json> values) {
  SearchDimension out;
  out.name = name;
  out.choices = std::move(values);
  return out;
}

/// A tenth to ten times `centre`.
SearchDimension around(const std::string& name, double centre) {
  SearchDimension out;
  out.name = name;
  out.draw = Draw::log_uniform;
  out.low = centre / 10;
  out.high = std::min(centre * 10, 10.0);
  return out;
}

std::vector<Json> cuts(const SpaceInputs& inputs) {
  std::vector<Json> out{"all"};
  if (inputs.only_head) return out;
  std::set<int64_t> seen{0, inputs.blocks};
  for (const double share : {5.0 / 6, 2.0 / 3, 1.0 / 2}) {
    const int64_t cut =
        std::llround(share * static_cast<double>(inputs.blocks));
    if (seen.insert(cut).second) out.push_back(std::to_string(cut));
  }
  if (inputs.whole_model) out.push_back("none");
  return out;
}

std::vector<Json> epochs(int64_t plan) {
  const std::set<int64_t> seen{std::max<int64_t>(plan / 2, 1), plan, 2 * plan};
  return {seen.begin(), seen.end()};
}

/// `fixed` leaves it open, and goes with each of its choices.
bool fits(const SearchDimension& dimension, const TrainOptions& fixed) {
  const Json given = to_json(fixed), initial = to_json(TrainOptions());
  if (given.at(dimension.name) != initial.at(dimension.name)) return false;
  auto values = dimension.choices;
  if (values.empty()) values = {draw(dimension, 0.5)};
  try {
    for (const Json& value : values) {
      TrainOptions tried = fixed;
      set_options(tried, {{dimension.name, value}});
      tried.validate();
    }
  } catch (const Error&) {
    return false;
  }
  return true;
}

}  // namespace

SearchSpace default_space(const TrainOptions& fixed,
                          const SpaceInputs& inputs) {
  SearchSpace all{choices("freeze-until", cuts(inputs)),
                  around("lr", inputs.lr),
                  around("backbone-lr", inputs.backbone_lr),
                  choices("epochs", epochs(inputs.epochs)),
                  choices("augment", {"light", "standard", "strong"}),
                  choices("label-smoothing", {0.0, 0.1})};
  SearchSpace out;
  for (const SearchDimension& dimension : all)
    if (fits(dimension, fixed)) out.push_back(dimension);
  return out;
}

}  // namespace engraft
