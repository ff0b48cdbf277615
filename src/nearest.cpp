#include "engraft/nearest.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace engraft {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

int64_t edit_distance(std::string_view a, std::string_view b) {
  const size_t rows = a.size() + 1, columns = b.size() + 1;
  std::vector<std::vector<int64_t>> d(rows, std::vector<int64_t>(columns));
  for (size_t i = 0; i < rows; ++i) d[i][0] = static_cast<int64_t>(i);
  for (size_t j = 0; j < columns; ++j) d[0][j] = static_cast<int64_t>(j);
  for (size_t i = 1; i < rows; ++i)
    for (size_t j = 1; j < columns; ++j) {
      const int64_t replaced = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min(
          {d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d.back().back();
}

std::vector<std::string> nearest_names(const std::string& name,
                                       const std::vector<std::string>& names,
                                       size_t count) {
  const std::string wanted = lower(name);
  const auto limit =
      static_cast<int64_t>(std::max<size_t>(1, wanted.size() / 2));
  std::vector<std::pair<int64_t, std::string>> found;
  for (const auto& candidate : names) {
    const std::string other = lower(candidate);
    const bool begins = !wanted.empty() && other.rfind(wanted, 0) == 0;
    const int64_t distance = edit_distance(wanted, other);
    if (begins || distance <= limit)
      found.emplace_back(begins ? std::min(distance, limit) : distance,
                         candidate);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](auto& x, auto& y) { return x.first < y.first; });
  std::vector<std::string> out;
  for (size_t i = 0; i < std::min(count, found.size()); ++i)
    out.push_back(found[i].second);
  return out;
}

std::string did_you_mean(const std::string& name,
                         const std::vector<std::string>& names) {
  const auto near = nearest_names(name, names);
  return near.empty() ? "" : "; did you mean '" + near[0] + "'?";
}

}  // namespace engraft
