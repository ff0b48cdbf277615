#pragma once

#include <string>

#include "engraft/model/classifier.h"
#include "engraft/policy/plan.h"

namespace engraft::cli {

/// "model     PATH: scripted, input 224x224, ...".
std::string model_line(const Classifier& classifier);

/// The quadrant and every decision with its reason.
std::string plan_text(const TransferPlan& plan);

}  // namespace engraft::cli
