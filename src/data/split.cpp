#include <algorithm>
#include <map>
#include <set>

#include "data/content_hash.h"
#include "data/listing.h"

namespace engraft {
namespace {

/// Where a picture lies in [0, 1); below the fraction is val.
double position(const std::string& content, int64_t seed) {
  const ContentHash hash =
      content_hash(content + " split " + std::to_string(seed));
  return static_cast<double>(hash.high >> 11) * 0x1p-53;
}

struct Picture {
  double position = 0;
  bool val = false;
  std::set<std::string> labels;
};
/// By content: copies are one picture.
using Pictures = std::map<std::string, Picture>;

/// Gives a class both sides by moving the picture nearest to the border, one
/// that no other class shares if there is such. False when nothing moved.
bool fill_empty_side(const std::vector<Picture*>& of_class, double border) {
  const auto in_val = std::ranges::count(of_class, true, &Picture::val);
  const auto count = std::ssize(of_class);
  if (count == 1 ? in_val == 0 : in_val > 0 && in_val < count) return false;
  const auto distance = [&](const Picture* picture) {
    return std::pair(picture->labels.size(),
                     std::abs(picture->position - border));
  };
  Picture* nearest = *std::ranges::min_element(of_class, {}, distance);
  nearest->val = !nearest->val;
  return true;
}

Pictures pictures_of(const std::vector<Entry>& entries, double border,
                     int64_t seed) {
  Pictures pictures;
  for (const Entry& entry : entries) {
    if (entry.side != Side::undecided) continue;
    Picture& picture = pictures[entry.content];
    picture.labels.insert(entry.label);
    picture.position = position(entry.content, seed);
    picture.val = picture.position < border;
  }
  return pictures;
}

}  // namespace

void split_by_content(std::vector<Entry>& entries, double val_fraction,
                      int64_t seed) {
  Pictures pictures = pictures_of(entries, val_fraction, seed);
  std::map<std::string, std::vector<Picture*>> classes;
  for (auto& [content, picture] : pictures)
    for (const auto& label : picture.labels) classes[label].push_back(&picture);
  // A picture that two classes share can empty a side of the other one; few
  // rounds settle all but contrived cases.
  bool moved = true;
  for (int round = 0; moved && round < 4; ++round) {
    moved = false;
    for (const auto& [label, of_class] : classes)
      moved = fill_empty_side(of_class, val_fraction) || moved;
  }
  for (Entry& entry : entries)
    if (entry.side == Side::undecided)
      entry.side = pictures.at(entry.content).val ? Side::val : Side::train;
}

}  // namespace engraft
