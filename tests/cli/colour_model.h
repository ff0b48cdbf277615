#pragma once

#include <string>

#include "engraft/model/classifier.h"

namespace engraft::test {

/// A classifier of 32x32 images whose logits are 10 times the picture's mean
/// red, green and blue: red, green or blue is certain for flat pictures. A 1x1
/// convolution and a batch norm are its backbone, a linear layer its head.
Classifier colour_classifier();

/// Saves it as `path`, a plain TorchScript file, with a sidecar that names the
/// classes red, green and "sky, blue". Returns `path`.
std::string write_colour_model(const std::string& path);

/// folder/red, folder/green, folder/blue, each with `count` pictures of about
/// that colour.
void write_colour_data(const std::string& folder, int count);

}  // namespace engraft::test
