#include "data/erase.h"

#include <cstdint>

#include "data/random_rectangle.h"

namespace engraft {

void erase_rectangle(cv::Mat& view, ImageRandom& random) {
  constexpr RectangleRange kRange{0.02, 0.33, 1 / 0.3};
  const auto rectangle = random_rectangle(view.size(), kRange, random);
  if (!rectangle) return;
  for (int y = rectangle->y; y < rectangle->br().y; ++y) {
    auto* pixel = view.ptr<cv::Vec3b>(y) + rectangle->x;
    for (int x = 0; x < rectangle->width; ++x) {
      // One number has enough bits for three levels.
      const auto bits = static_cast<uint32_t>(random.uniform() * 0x1p24);
      for (int c = 0; c < 3; ++c)
        pixel[x][c] = static_cast<uint8_t>(bits >> (8 * c));
    }
  }
}

}  // namespace engraft
