#pragma once

#include <filesystem>
#include <string>

namespace engraft {

/// A file or folder beside the model `out`: pets.pt and ".curves.jsonl" give
/// pets.curves.jsonl. Any other ending than .pt stays, so that models of other
/// names have other neighbours.
inline std::string beside(const std::string& out, const std::string& ending) {
  std::filesystem::path stem = out;
  if (stem.extension() == ".pt") stem.replace_extension();
  return stem.string() + ending;
}

}  // namespace engraft
