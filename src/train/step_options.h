#pragma once

#include <string>
#include <vector>

namespace engraft {

/// Names of the options of train that only training by steps looks at: a head
/// that is solved for has none of it.
const std::vector<std::string>& step_options();

/// What is for training by steps does not go with `--optimizer lbfgs`.
/// Throws Error(Fault::usage).
[[noreturn]] void refuse_step_option(const std::string& flag,
                                     const std::string& name);

}  // namespace engraft
