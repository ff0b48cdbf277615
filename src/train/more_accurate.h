#pragma once

namespace engraft {

/// Higher accuracy, or equal accuracy and lower loss.
template <typename Seen>
bool is_more_accurate(const Seen& a, const Seen& b) {
  return a.accuracy > b.accuracy ||
         (a.accuracy == b.accuracy && a.loss < b.loss);
}

}  // namespace engraft
