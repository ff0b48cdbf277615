#pragma once

// The reading visitor of options.h; included by it.

#include <set>

#include "engraft/nearest.h"

namespace engraft {

/// The JSON document in a file. Throws Error(Fault::usage) when it cannot be
/// read, is not JSON or is not an object.
Json read_json_object(const std::string& path);

template <typename T>
void read_value(const std::string& where, const Json& json, T& value) {
  if constexpr (std::is_enum_v<T>) {
    value = parse_enum<T>(json.get<std::string>(), where);
  } else if constexpr (requires { value.has_value(); }) {
    if (json.is_null()) {
      value.reset();
    } else {
      typename T::value_type inner{};
      read_value(where, json, inner);
      value = inner;
    }
  } else if constexpr (std::is_same_v<T, int64_t>) {
    if (!json.is_number_integer())
      fail(Fault::usage, where, ": ", json.dump(), " is not a whole number");
    value = json.get<int64_t>();
  } else {
    value = json.get<T>();
  }
}

template <typename Options>
void read_json(const std::string& path, Options& options) {
  const Json json = read_json_object(path);
  std::set<std::string> known;
  Options::fields(options, [&](const char* name, auto& value, const char*,
                               const auto& allowed) {
    known.insert(name);
    if (!json.contains(name)) return;
    const std::string where = path + ": " + name;
    try {
      read_value(where, json.at(name), value);
    } catch (const Json::exception&) {
      fail(Fault::usage, where, ": ", json.at(name).dump(),
           " is not of this option's kind");
    }
    check_allowed(name, value, allowed);
  });
  for (const auto& [key, value] : json.items())
    if (!known.count(key))
      fail(Fault::usage, path, ": unknown option '", key, "'",
           did_you_mean(key, {known.begin(), known.end()}));
}

}  // namespace engraft
