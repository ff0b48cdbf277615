#pragma once

#include <regex>
#include <string>

namespace engraft::cli {

/// Whether the part is in it, wherever its lines end.
inline bool has(const std::string& text, const std::string& part) {
  return std::regex_replace(text, std::regex("\\s+"), " ").find(part) !=
         std::string::npos;
}

}  // namespace engraft::cli
