#include <algorithm>
#include <filesystem>
#include <map>

#include "data/listing.h"
#include "data/walk.h"
#include "engraft/error.h"

namespace engraft {
namespace {

std::string name_of_folder(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

/// The folders train, val and test of DATA, when it is split itself.
using SideFolders = std::map<Side, std::string>;

SideFolders find_side_folders(const std::string& root,
                              const Children& children) {
  SideFolders found;
  size_t others = 0;
  for (const auto& folder : children.folders) {
    const Side side = side_named(name_of_folder(folder));
    if (side == Side::undecided) {
      ++others;
    } else if (!found.emplace(side, folder).second) {
      fail(Fault::data, root, ": has both ", name_of_folder(found[side]),
           " and ", name_of_folder(folder), ", which mean the same: keep one");
    }
  }
  if (!found.count(Side::train)) return {};
  // Without val, a folder named train beside others is a class of vehicles.
  return found.count(Side::val) || others == 0 ? found : SideFolders{};
}

void leave_out_files(const std::vector<std::string>& files,
                     std::vector<LeftOut>& left_out) {
  for (const auto& file : files)
    left_out.push_back({file, is_picture_name(file)
                                  ? "picture outside of a class folder"
                                  : "not a picture in a class folder"});
}

/// Adds the class folders of `folder` to the listing.
void list_classes(const std::string& folder, Side side, Listing& listing) {
  const Children children = list_children(folder);
  leave_out_files(children.files, listing.left_out);
  for (const auto& path : children.folders) {
    const std::string label = name_of_folder(path);
    const ListedPictures walked = walk_folder(path);
    for (const auto& picture : walked.paths)
      listing.entries.push_back({picture, label, side, {}});
    listing.left_out.insert(listing.left_out.end(), walked.left_out.begin(),
                            walked.left_out.end());
    if (gives_class(side, DataUse::train)) {
      if (walked.paths.empty())
        fail(Fault::data, path, ": class '", label, "' has no picture: add ",
             "some, or remove the folder");
      listing.classes.push_back(label);
    } else if (!walked.paths.empty() &&
               !std::ranges::binary_search(listing.classes, label)) {
      fail(Fault::data, path, ": class '", label,
           "' has no folder in train: ", "add one, or remove this one");
    }
  }
}

[[noreturn]] void refuse_folder(const std::string& root,
                                const std::string& folder) {
  const Children children = list_children(folder);
  const auto pictures = std::ranges::count_if(children.files, is_picture_name);
  if (pictures > 0)
    fail(Fault::data, folder, ": has ", pictures, " pictures but no class ",
         "folders: put each class's pictures into a folder named after it, ",
         "as in ", folder, "/cat/1.jpg, or give a CSV file path,label");
  fail(Fault::data, folder, ": ",
       children.files.empty() ? "is empty" : "has no class folders",
       "; DATA is a folder with one folder of pictures a class, as in ", root,
       "/cat/1.jpg, or a CSV file path,label");
}

}  // namespace

Side side_named(const std::string& name) {
  if (name == "train") return Side::train;
  if (name == "val" || name == "valid" || name == "validation")
    return Side::val;
  return name == "test" ? Side::test : Side::undecided;
}

Listing list_folder(const std::string& root) {
  Listing listing;
  const Children children = list_children(root);
  const SideFolders sides = find_side_folders(root, children);
  if (sides.empty()) {
    list_classes(root, Side::undecided, listing);
    if (listing.classes.empty()) refuse_folder(root, root);
    return listing;
  }
  leave_out_files(children.files, listing.left_out);
  for (const auto& folder : children.folders)
    if (side_named(name_of_folder(folder)) == Side::undecided)
      listing.left_out.push_back({folder, "folder beside train and val"});
  for (const auto& [side, folder] : sides) {
    const bool undecided = side == Side::train && !sides.count(Side::val);
    list_classes(folder, undecided ? Side::undecided : side, listing);
    if (side == Side::train && listing.classes.empty())
      refuse_folder(root, folder);
    if (side == Side::val &&
        !std::ranges::count(listing.entries, side, &Entry::side))
      fail(Fault::data, folder, ": has no picture in class folders: add some, ",
           "or remove it so that part of train is held out");
  }
  return listing;
}

}  // namespace engraft
