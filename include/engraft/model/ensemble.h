#pragma once

#include <string>
#include <vector>

#include "engraft/model/classifier.h"

namespace engraft {

/// Several classifiers as one: a module with the members below it as member_0,
/// member_1, ..., which share their tensors with what was given. Its forward
/// takes what the members take and returns the log of the mean of their
/// softmax, float32 [N, classes]: softmax of that gives the mean
/// probabilities. Saved by save_classifier, it is plain TorchScript.
///
/// The record holds format, classes, input, and `members`: a list of {model,
/// record}, the member's path and what it had in its own record.
///
/// Throws Error(Fault::model) that names the first difference when the members
/// differ in their class names, their input or their tensors' names and sizes:
/// such are tested side by side, with --with.
Classifier combine(const std::vector<Classifier>& members);

/// What the members of a file made by combine were; empty for any other model.
std::vector<std::string> member_names(const Classifier& classifier);

inline bool is_ensemble(const Classifier& classifier) {
  return !member_names(classifier).empty();
}

/// The members of an ensemble, each a classifier of its own that shares the
/// ensemble's tensors. Its path is "FILE: NAME"; its record is its own over
/// that of the ensemble. Throws Error(Fault::model) when one is missing.
std::vector<Classifier> members_of(const Classifier& ensemble);

/// The first difference between the class names of two models, in words that
/// name both; "" when they agree or one of them names none.
std::string class_difference(const Classifier& a, const Classifier& b);

}  // namespace engraft
