#pragma once

#include <string>

namespace engraft::test {

/// Runs `code` (without double quotes) in the project's Python; its exit
/// status, which is not 0 either where there is none.
int python(const std::string& code);

/// Why a test that needs torch in Python is skipped.
std::string no_python();

}  // namespace engraft::test
