#include "cli/quiet.h"

#include <c10/util/Logging.h>

#include <cstdlib>

namespace engraft::cli {

void quieten_libraries() {
  setenv("TORCH_CPP_LOG_LEVEL", "ERROR", /*overwrite=*/0);
  c10::initLogging();
}

}  // namespace engraft::cli
