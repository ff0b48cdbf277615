#pragma once

#include <string>
#include <vector>

#include "engraft/data/image_folder.h"

namespace engraft {

enum class Side { undecided, train, val, test };

/// Whether pictures of that side make their class one of DATA's: to learn a
/// class takes some to train on.
inline bool gives_class(Side side, DataUse use) {
  return use == DataUse::test || side == Side::train || side == Side::undecided;
}

/// A picture as DATA names it, before it was opened.
struct Entry {
  std::string path, label;
  Side side = Side::undecided;
  std::string content;  ///< filled by check_pictures
};

/// What DATA says, whatever its form.
struct Listing {
  std::vector<std::string> classes;  ///< sorted
  std::vector<Entry> entries;
  std::vector<LeftOut> left_out;
};

/// DATA/<class>/... or DATA/train/<class>/... Throws Error(Fault::data) when
/// it is neither.
Listing list_folder(const std::string& root);

/// A CSV file path,label[,split]. Throws Error(Fault::data) with file:line.
Listing list_manifest(const std::string& path, DataUse use);

/// "train", "val" ("valid", "validation") or "test"; undecided for another.
Side side_named(const std::string& name);

/// Opens every picture once, on `threads` threads: fills Entry::content, and
/// takes those that do not decode out of `entries`, in their order. What was
/// found to decode is kept in the folder `cache`, unless that is "".
std::vector<LeftOut> check_pictures(std::vector<Entry>& entries,
                                    int64_t threads, const std::string& cache);

/// Puts every undecided entry into train or val, by content.
void split_by_content(std::vector<Entry>& entries, double val_fraction,
                      int64_t seed);

}  // namespace engraft
