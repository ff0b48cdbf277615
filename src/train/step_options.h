#pragma once

#include <string>
#include <vector>

namespace engraft {

/// Names of the options of train that only training by steps looks at: a head
/// that is solved for has none of it. `epochs` is not among them: they are the
/// views that it is solved on, up to three.
const std::vector<std::string>& step_options();

}  // namespace engraft
