#include "engraft/options.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace engraft {

void require(const std::string& value, const char* name, const char* what) {
  if (value.empty()) fail(Fault::usage, name, " is missing: ", what);
}

Json read_json_object(const std::string& path) {
  std::ifstream in(path);
  if (!in)
    fail(Fault::usage, path,
         ": cannot be opened; --config takes a JSON file of options");
  const Json json = Json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    fail(Fault::usage, path,
         ": not a JSON object; write {\"epochs\": 10, ...}");
  return json;
}

void InputOptions::validate() const {
  for (const auto* values : {&mean, &std})
    if (!values->empty() && values->size() != 3)
      fail(Fault::usage, values == &mean ? "--mean" : "--std",
           ": takes three numbers, one a colour, but has ", values->size());
  if (resize && input_size && *resize < *input_size)
    fail(Fault::usage, "--resize ", *resize, " is below --input-size ",
         *input_size, ": the crop would not fit");
}

void AugmentOptions::validate() const {
  const std::string chosen = "--policy " + std::string(name_of(policy));
  const std::pair<const char*, const std::optional<int64_t>*> of_rand[] = {
      {"--policy-operations", &policy_operations},
      {"--policy-magnitude", &policy_magnitude}};
  for (const auto& [flag, value] : of_rand)
    if (*value && policy != AugmentPolicy::rand)
      fail(Fault::usage, flag, " and ", chosen,
           " exclude each other: it counts with --policy rand");
  const std::pair<const char*, const std::optional<double>*> changes[] = {
      {"--brightness", &brightness},
      {"--contrast", &contrast},
      {"--saturation", &saturation},
      {"--rotation", &rotation}};
  for (const auto& [flag, value] : changes)
    if (value->value_or(0) > 0 && policy != AugmentPolicy::none)
      fail(Fault::usage, flag, " and ", chosen,
           " exclude each other: it is one of the policy's own operations");
}

void PlanCommandOptions::validate() const {
  require(data, "DATA", kDataMeaning);
  check_ranges(*this);
  augment.validate();
  input.validate();
  parse_duration(plan.time);
  if (plan.epochs && plan.head_epochs && *plan.head_epochs > *plan.epochs)
    fail(Fault::usage, "--head-epochs ", *plan.head_epochs,
         " is above --epochs ", *plan.epochs);
  if (plan.deeper && plan.freeze_until != "auto")
    fail(Fault::usage, "--deeper and --freeze-until ", plan.freeze_until,
         " exclude each other: it goes on from blocks that the plan chose");
}

void InspectOptions::validate() const {
  require(path, "MODEL or DATA", "a TorchScript file, or images to look at");
  check_ranges(*this);
  input.validate();
}

double parse_duration(const std::string& text) {
  size_t read = 0;
  double value = -1;
  try {
    value = std::stod(text, &read);
  } catch (const std::logic_error&) {
  }
  const std::string unit = text.substr(std::min(read, text.size()));
  const double factor = unit.empty() || unit == "s" ? 1
                        : unit == "m"               ? 60
                        : unit == "h"               ? 3600
                                                    : -1;
  if (!(value >= 0 && value < 1e9) || factor < 0)
    fail(Fault::usage, "--time: '", text,
         "' is no duration; write 90, 90s, 10m or 2h");
  return value * factor;
}

}  // namespace engraft
