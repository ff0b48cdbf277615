#include "data/random_rectangle.h"

#include <cmath>

namespace engraft {

std::optional<cv::Rect> random_rectangle(const cv::Size& size,
                                         const RectangleRange& range,
                                         ImageRandom& random) {
  const double area = static_cast<double>(size.width) * size.height;
  const double stretch = std::log(range.aspect);
  const auto place = [&](int space) {
    return static_cast<int>(random.uniform() * (space + 1));
  };
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * random.uniform(range.area_min, range.area_max);
    const double aspect = std::exp(random.uniform(-stretch, stretch));
    const int width = static_cast<int>(std::lround(std::sqrt(target * aspect)));
    const int height =
        static_cast<int>(std::lround(std::sqrt(target / aspect)));
    if (width < 1 || height < 1 || width > size.width || height > size.height)
      continue;
    const int x = place(size.width - width);
    const int y = place(size.height - height);
    return cv::Rect(x, y, width, height);
  }
  return std::nullopt;
}

}  // namespace engraft
