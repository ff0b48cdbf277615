#pragma once

#include <nlohmann/json.hpp>

namespace engraft {

/// Keeps the order in which keys were written: documents are read by people.
using Json = nlohmann::ordered_json;

}  // namespace engraft
