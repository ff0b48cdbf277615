#pragma once

#include <array>
#include <string>

#include "engraft/json.h"
#include "engraft/options.h"

namespace engraft {

/// How a picture becomes the model's input: resize the shorter side to
/// `resize` with an antialiased filter, crop `crop` x `crop` at the centre,
/// scale to [0, 1], subtract `mean`, divide by `std`, order as `channels`.
///
/// The defaults are torchvision's ImageNet convention.
struct InputSpec {
  int64_t resize = 256;  ///< pixels, shorter side
  int64_t crop = 224;    ///< pixels, side of the square input
  Interpolation interpolation = Interpolation::bilinear;
  /// Of R, G, B in this order, also when `channels` is BGR.
  std::array<double, 3> mean{0.485, 0.456, 0.406};
  std::array<double, 3> std{0.229, 0.224, 0.225};
  std::string channels = "RGB";  ///< or "BGR": order in the input tensor
  /// Where the values come from, for people: "engraft.json in the file",
  /// "sidecar PATH", "torchvision ImageNet convention", plus the flags.
  std::string source = "torchvision ImageNet convention";
};

/// {"resize", "crop", "interpolation", "mean", "std", "channels", "range"}.
Json to_json(const InputSpec& spec);

/// Reads what to_json writes. Missing keys keep the value in `base`.
/// Throws Error(Fault::model) naming `where` when a value makes no sense.
InputSpec input_spec_from_json(const Json& json, const std::string& where,
                               InputSpec base = {});

/// `base` with the flags that were given put over it; --input-size alone
/// scales `resize` along.
InputSpec apply(const InputOptions& options, InputSpec base);

}  // namespace engraft
