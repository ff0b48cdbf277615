#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/bytes.h"

namespace engraft {

enum class PictureFormat { jpeg, png, bmp, webp, tiff, other };

/// What a picture file says about itself before it is decoded.
struct Container {
  PictureFormat format = PictureFormat::other;
  int64_t width = 0, height = 0;  ///< as stored; 0 when not known
  int orientation = 1;            ///< EXIF, 1 to 8
};

/// Reads the structure of a file, whatever its name. Decoders fill what is
/// missing from a cut file with grey and report success, so completeness is
/// checked here. Throws Error(Fault::data) with the reason alone when the file
/// is cut short or damaged.
Container inspect_container(Bytes bytes);

/// The parts of inspect_container. The first bytes are known to be right.
Container inspect_jpeg(Bytes bytes);
Container inspect_png(Bytes bytes);

/// The same PNG with nothing but the chunks that make its pixels: libpng
/// writes warnings about the others (colour profiles, texts) to stderr.
std::vector<uint8_t> essential_png(Bytes bytes);

/// For people: why a decoder refused a file that passed inspect_container.
std::string why_not_decoded(Bytes bytes, const Container& container);

/// EXIF orientation (1 to 8) of a TIFF block as EXIF wraps it; 1 when it has
/// none or makes no sense.
int exif_orientation(Bytes tiff_block);

}  // namespace engraft
