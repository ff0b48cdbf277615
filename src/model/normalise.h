#pragma once

#include "engraft/model/classifier.h"
#include "model/graph.h"

namespace engraft {

/// Brings a freshly loaded module into the form that Classifier promises, and
/// fills the fields that say what was found. Edits the module's graphs, so it
/// comes before the first run of any of its methods.
/// Throws Error(Fault::model) for what cannot be used; Error(Fault::usage) when
/// the user gave the input's size and the model runs on another only.
void normalise_module(Classifier& classifier, bool size_is_given = false,
                      SizeCheck check = SizeCheck::run);

/// `lower` of the classifier's module. What loading made of it is taken where
/// its tensors are still the module's.
LoweredGraph lowering_of(const Classifier& classifier);

}  // namespace engraft
