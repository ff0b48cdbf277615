#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace engraft {

/// Whose turn it is to act; the process exits with this value.
enum class Fault { usage = 2, data = 3, model = 4, io = 5 };

/// The one exception that the library throws on purpose. Its message says
/// where, what is wrong and what to do. Broken invariants are TORCH_CHECKs:
/// those are bugs of engraft itself.
struct Error : std::runtime_error {
  Error(Fault fault, const std::string& message)
      : std::runtime_error(message), fault(fault) {}
  const Fault fault;
};

/// Throws Error with the parts streamed into one message:
/// fail(Fault::data, path, ": class '", name, "' has no image: add one")
template <typename... Parts>
[[noreturn]] void fail(Fault fault, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(fault, message.str());
}

}  // namespace engraft
