#pragma once

#include <nlohmann/json.hpp>
#include <optional>

namespace engraft {

/// Keeps the order in which keys were written: documents are read by people.
using Json = nlohmann::ordered_json;

/// null for nothing.
template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

}  // namespace engraft
