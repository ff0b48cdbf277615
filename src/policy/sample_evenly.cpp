#include "policy/sample_evenly.h"

#include <algorithm>
#include <set>

namespace engraft {
namespace {

/// [num_classes], the first of each content.
std::vector<std::vector<Sample>> without_copies(
    const std::vector<Sample>& samples, int64_t num_classes) {
  std::vector<std::vector<Sample>> classes(num_classes);
  std::set<std::string> seen;
  for (const Sample& s : samples)
    if (s.content.empty() || seen.insert(s.content).second)
      classes.at(s.label).push_back(s);
  return classes;
}

}  // namespace

std::vector<int64_t> count_contents(const std::vector<Sample>& samples,
                                    int64_t num_classes) {
  std::vector<int64_t> out;
  for (const auto& c : without_copies(samples, num_classes))
    out.push_back(std::ssize(c));
  return out;
}

std::vector<Sample> sample_evenly(const std::vector<Sample>& samples,
                                  int64_t num_classes, int64_t most) {
  auto classes = without_copies(samples, num_classes);
  for (auto& c : classes)
    std::sort(c.begin(), c.end(), [](const Sample& a, const Sample& b) {
      return a.content < b.content;
    });
  std::vector<Sample> out;
  for (size_t round = 0; std::ssize(out) < most; ++round) {
    bool any = false;
    for (const auto& c : classes) {
      if (round >= c.size() || std::ssize(out) >= most) continue;
      out.push_back(c[round]);
      any = true;
    }
    if (!any) break;
  }
  return out;
}

}  // namespace engraft
