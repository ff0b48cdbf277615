#pragma once

#include <string>
#include <vector>

#include "engraft/data/image_folder.h"

namespace engraft {

/// Ends in the extension of a picture that engraft reads, in any case.
bool is_picture_name(const std::string& path);

/// Dot files and what operating systems leave behind in folders.
bool is_hidden(const std::string& name);

/// Everything below `folder` in sorted order, pictures by extension. Links to
/// folders are followed, but no folder is entered twice, so a circle of links
/// ends. Throws Error(Fault::data) when a folder cannot be listed.
ListedPictures walk_folder(const std::string& folder);

/// What `folder` itself holds that is not hidden, sorted, as full paths.
struct Children {
  std::vector<std::string> folders, files;
};
Children list_children(const std::string& folder);

}  // namespace engraft
