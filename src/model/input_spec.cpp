#include "engraft/model/input_spec.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace engraft {
namespace {

using Triple = std::array<double, 3>;

[[noreturn]] void refuse(const std::string& where, const char* key,
                         const Json& value, const char* expected) {
  fail(Fault::model, where, ": ", key, " is ", value.dump(), ", not ",
       expected);
}

int64_t read_side(const Json& json, const char* key, const std::string& where,
                  int64_t base) {
  const auto found = json.find(key);
  if (found == json.end()) return base;
  if (!found->is_number_integer() || *found < 1 || *found > 65536)
    refuse(where, key, *found, "a number of pixels");
  return found->get<int64_t>();
}

/// Three numbers, or one for all three colours.
Triple read_triple(const Json& json, const char* key, const std::string& where,
                   Triple base) {
  const auto found = json.find(key);
  if (found == json.end()) return base;
  const bool numbers =
      found->is_array() && (found->size() == 3 || found->size() == 1) &&
      std::all_of(found->begin(), found->end(), [](const Json& number) {
        return number.is_number() && std::isfinite(number.get<double>());
      });
  if (!numbers) refuse(where, key, *found, "three numbers");
  for (size_t c = 0; c < 3; ++c)
    base[c] = found->at(found->size() == 3 ? c : 0).get<double>();
  return base;
}

/// The mean and std of `json` may be meant for values in another range than
/// [0, 1].
void apply_range(const Json& json, const std::string& where, InputSpec& spec) {
  const auto found = json.find("range");
  if (found == json.end()) return;
  const bool valid = found->is_array() && found->size() == 2 &&
                     found->at(0).is_number() && found->at(1).is_number() &&
                     found->at(0).get<double>() < found->at(1).get<double>();
  if (!valid) refuse(where, "range", *found, "[low, high]");
  const double low = found->at(0).get<double>();
  const double width = found->at(1).get<double>() - low;
  for (size_t c = 0; c < 3; ++c) {
    if (json.contains("mean")) spec.mean[c] = (spec.mean[c] - low) / width;
    if (json.contains("std")) spec.std[c] /= width;
  }
}

std::string read_word(const Json& json, const char* key,
                      const std::string& where, const std::string& base) {
  const auto found = json.find(key);
  if (found == json.end()) return base;
  if (!found->is_string()) refuse(where, key, *found, "a word");
  return found->get<std::string>();
}

}  // namespace

Json to_json(const InputSpec& spec) {
  return {{"resize", spec.resize},
          {"crop", spec.crop},
          {"interpolation", std::string(name_of(spec.interpolation))},
          {"mean", spec.mean},
          {"std", spec.std},
          {"channels", spec.channels},
          {"range", {0, 1}}};
}

InputSpec input_spec_from_json(const Json& json, const std::string& where,
                               InputSpec base) {
  if (!json.is_object())
    fail(Fault::model, where, ": the input is ", json.dump(),
         ", not an object with resize, crop, mean, std, ...");
  InputSpec spec = std::move(base);
  spec.resize = read_side(json, "resize", where, spec.resize);
  spec.crop = read_side(json, "crop", where, spec.crop);
  if (json.contains("crop") && !json.contains("resize"))
    spec.resize = std::max(spec.resize, spec.crop);
  if (spec.resize < spec.crop)
    fail(Fault::model, where, ": resize ", spec.resize, " is below crop ",
         spec.crop, ": the crop would not fit");
  const std::string filter = read_word(
      json, "interpolation", where, std::string(name_of(spec.interpolation)));
  try {
    spec.interpolation = parse_enum<Interpolation>(filter, "interpolation");
  } catch (const Error& error) {
    fail(Fault::model, where, ": ", error.what());
  }
  spec.mean = read_triple(json, "mean", where, spec.mean);
  spec.std = read_triple(json, "std", where, spec.std);
  apply_range(json, where, spec);
  if (*std::min_element(spec.std.begin(), spec.std.end()) <= 0)
    refuse(where, "std", json.at("std"), "three numbers above 0");
  spec.channels = read_word(json, "channels", where, spec.channels);
  if (spec.channels != "RGB" && spec.channels != "BGR")
    refuse(where, "channels", json.at("channels"), "RGB or BGR");
  spec.source = where;
  return spec;
}

InputSpec apply(const InputOptions& options, InputSpec base) {
  InputSpec spec = std::move(base);
  std::string flags;
  const auto note = [&flags](const char* flag) {
    flags += (flags.empty() ? "" : ", ") + std::string(flag);
  };
  if (options.input_size) {
    // The same share of the picture stays in view.
    const double margin = static_cast<double>(spec.resize) / spec.crop;
    spec.crop = *options.input_size;
    spec.resize = std::llround(margin * static_cast<double>(spec.crop));
    note("--input-size");
  }
  if (options.resize) {
    if (*options.resize < spec.crop)
      fail(Fault::usage, "--resize ", *options.resize, " is below the crop of ",
           spec.crop, " pixels: the crop would not fit");
    spec.resize = *options.resize;
    note("--resize");
  }
  if (options.interpolation) {
    spec.interpolation = *options.interpolation;
    note("--interpolation");
  }
  for (size_t c = 0; c < 3 && options.mean.size() == 3; ++c)
    spec.mean[c] = options.mean[c];
  if (!options.mean.empty()) note("--mean");
  for (size_t c = 0; c < 3 && options.std.size() == 3; ++c)
    spec.std[c] = options.std[c];
  if (!options.std.empty()) note("--std");
  if (!flags.empty()) spec.source += " + " + flags;
  return spec;
}

}  // namespace engraft
