#pragma once

namespace engraft::cli {

/// LibTorch prints warnings ([W...]) that a user can do nothing about; they
/// come back with TORCH_CPP_LOG_LEVEL=WARNING in the environment.
void quieten_libraries();

}  // namespace engraft::cli
