#include "support/python.h"

#include <cstdlib>

namespace engraft::test {

int python(const std::string& code) {
  return std::system(
      (std::string(ENGRAFT_PYTHON) + " -W ignore -c \"" + code + "\"").c_str());
}

std::string no_python() {
  return std::string("no Python with torch at ") + ENGRAFT_PYTHON;
}

}  // namespace engraft::test
