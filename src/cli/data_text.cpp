#include "cli/data_text.h"

#include <algorithm>
#include <vector>

#include "cli/text.h"

namespace engraft::cli {
namespace {

constexpr int64_t kMostRows = 30;
constexpr size_t kMostFiles = 10;

std::string sizes(const ImageFolder& folder) {
  std::string out = counted(folder.num_classes(), "class") + ", " +
                    counted(std::ssize(folder.train), "training picture") +
                    ", " + std::to_string(folder.val.size()) +
                    " for validation";
  if (!folder.test.empty())
    out += ", " + std::to_string(folder.test.size()) + " for testing";
  return out + (folder.has_own_split ? " (DATA's own split)"
                                     : " (held out by content)");
}

std::string class_table(const ImageFolder& folder) {
  const auto train = folder.counts(folder.train);
  const auto val = folder.counts(folder.val);
  const auto test = folder.counts(folder.test);
  if (folder.num_classes() > kMostRows) {
    const auto [low, high] = std::minmax_element(train.begin(), train.end());
    return paragraph("", "training pictures a class: from " +
                             std::to_string(*low) + " ('" +
                             folder.classes[low - train.begin()] + "') to " +
                             std::to_string(*high) + " ('" +
                             folder.classes[high - train.begin()] + "')");
  }
  std::vector<std::vector<std::string>> rows{{"class", "train", "val"}};
  if (!folder.test.empty()) rows[0].push_back("test");
  for (size_t i = 0; i < folder.classes.size(); ++i) {
    rows.push_back(
        {folder.classes[i], std::to_string(train[i]), std::to_string(val[i])});
    if (!folder.test.empty()) rows.back().push_back(std::to_string(test[i]));
  }
  return table(rows, std::string(10, ' '));
}

std::string files(const char* head, const std::vector<LeftOut>& list) {
  if (list.empty()) return "";
  std::vector<std::string> names;
  for (const auto& file : list)
    names.push_back(file.path + " (" + file.reason + ")");
  return paragraph(head, counted(std::ssize(list), "file") + ": " +
                             listed(names, kMostFiles));
}

}  // namespace

std::string data_text(const ImageFolder& folder) {
  std::string out = paragraph("data", folder.root + ": " + sizes(folder));
  out += class_table(folder);
  out += files("left out", folder.left_out);
  out += files("skipped", folder.unreadable);
  if (folder.copies > 0) {
    std::string text = counted(folder.copies, "picture") +
                       " with bytes that occur more than once";
    if (folder.conflicting > 0)
      text += ", " + std::to_string(folder.conflicting) +
              " of them under several classes";
    out += paragraph("copies", text);
  }
  if (folder.leaked > 0)
    out += paragraph("leaks",
                     std::to_string(folder.leaked) +
                         " of the held-out pictures are among the training "
                         "pictures too: the accuracy on them says little");
  return out;
}

}  // namespace engraft::cli
