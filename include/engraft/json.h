#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace engraft {

/// Keeps the order in which keys were written: documents are read by people.
using Json = nlohmann::ordered_json;

/// As documents want their texts; file names may hold any bytes.
inline bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());
    return true;
  } catch (const Json::type_error&) {
    return false;
  }
}

/// null for nothing.
template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

}  // namespace engraft
