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

/// Saves as `path`, with engraft.json, one of two models of these classes: one
/// is sure of red and of green, the other of blue. Where they are wrong they
/// are not sure, so that the mean of both is right on write_colour_data's
/// pictures. crop: side of the input. Returns `path`.
std::string write_half_right_model(const std::string& path, bool knows_blue,
                                   int64_t crop = 32);

/// folder/red, folder/green, folder/blue, each with `count` pictures of about
/// that colour.
void write_colour_data(const std::string& folder, int count);

}  // namespace engraft::test
