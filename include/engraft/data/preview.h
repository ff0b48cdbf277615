#pragma once

#include <string>

#include "engraft/data/augment.h"
#include "engraft/data/image_folder.h"
#include "engraft/model/input_spec.h"

namespace engraft {

/// Writes a contact sheet of what training really sees: one row a class with
/// its name, random views of its training pictures as the loader would draw
/// them with this seed (no other code path). At most 40 classes, 8 views each.
/// Throws Error(Fault::io) when the file cannot be written.
void write_preview(const std::string& path, const ImageFolder& folder,
                   const AugmentSettings& settings, const InputSpec& spec,
                   uint64_t seed);

}  // namespace engraft
