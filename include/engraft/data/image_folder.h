#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engraft/json.h"
#include "engraft/options.h"

namespace engraft {

/// One picture with its class.
struct Sample {
  std::string path;
  int64_t label = 0;  ///< index into ImageFolder::classes
  /// 128-bit hash of the file's bytes, as hex: equal pictures, equal key.
  std::string content;
};

/// A file that is not used, and why.
struct LeftOut {
  std::string path, reason;
};

/// The pictures of a DATA argument, found, checked and split.
struct ImageFolder {
  std::string root;
  std::vector<std::string> classes;  ///< sorted; a label indexes it
  /// Each sorted by path. `test` is filled only from DATA/test or a manifest.
  std::vector<Sample> train, val, test;
  /// DATA itself says what is val: folders train/ and val/, or a split column.
  bool has_own_split = false;
  std::vector<LeftOut> left_out;    ///< not pictures, by their extension
  std::vector<LeftOut> unreadable;  ///< pictures that do not decode
  int64_t copies = 0;       ///< pictures whose bytes occur more than once
  int64_t conflicting = 0;  ///< of these, such as occur under several classes
  int64_t leaked = 0;  ///< val or test pictures whose bytes are in train too
  /// Hash over classes and the contents and labels of all samples; free of
  /// paths, so a moved folder keeps it.
  std::string fingerprint;

  int64_t num_classes() const { return static_cast<int64_t>(classes.size()); }
  /// Pictures of each class among `samples`, [num_classes()].
  std::vector<int64_t> counts(const std::vector<Sample>& samples) const;
};

/// What pictures are looked at for.
enum class DataUse { train, test };

/// Finds, checks and splits the pictures of DATA, which is one of
///   DATA/<class>/...               stratified split by content
///   DATA/train/<class>/...         with val/ (or valid/, validation/) and
///                                  perhaps test/; without val/, part of
///                                  train is held out
///   a CSV file path,label[,split]  paths relative to the file; a header line
///                                  with these names may order the columns
///
/// Pictures are .jpg .jpeg .png .bmp .tif .tiff .webp, in any case, also in
/// deeper folders. Links are followed once; hidden files are ignored; every
/// other file goes into `left_out`. Every picture is decoded once (at reduced
/// scale where the format allows) by `threads` threads, 0 for one a core; what
/// was decoded before is known by its bytes in the folder `cache`, unless that
/// is "".
///
/// The split is a function of the picture's bytes and options.split_seed
/// alone: a picture is in val when its hash is below val_fraction. Added files
/// therefore move no old one, and copies are always on the same side. Only
/// where that would leave a class of two or more different pictures with an
/// empty side, its picture nearest to the border changes sides.
///
/// Throws Error(Fault::data): DATA missing, no class or one only, a class
/// without any picture, a val class that train lacks, a class whose name is not
/// UTF-8 (it could not be written into the model), pictures that do not
/// decode (all named, unless options.skip_unreadable), manifest lines that
/// cannot be used (file:line, all named).
/// use  only to learn from do they have to be of two classes or more, with some
///      of each to train on and some to validate with
ImageFolder scan_image_folder(const std::string& data,
                              const DataOptions& options, int64_t threads = 0,
                              const std::string& cache = "",
                              DataUse use = DataUse::train);

struct ListedPictures {
  std::vector<std::string> paths;
  std::vector<LeftOut> left_out;
};

/// Pictures below `paths` (files, or folders walked in sorted order) in the
/// order given, for prediction. Files that are not pictures by extension are
/// kept when named themselves, and left out when met in a folder.
ListedPictures list_pictures(const std::vector<std::string>& paths);

/// Counts, class sizes, copies and what was left out.
Json to_json(const ImageFolder& folder);

}  // namespace engraft
