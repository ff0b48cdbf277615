#pragma once

#include <exception>
#include <new>
#include <string>

namespace engraft {

/// LibTorch has no exception type of its own for it, and TorchScript wraps
/// what the allocator says into a trace of the model's source.
inline bool says_out_of_memory(const std::string& text) {
  return text.find("can't allocate memory") != std::string::npos ||
         text.find("out of memory") != std::string::npos;
}

inline bool is_out_of_memory(const std::exception& error) {
  return dynamic_cast<const std::bad_alloc*>(&error) ||
         says_out_of_memory(error.what());
}

}  // namespace engraft
