#include "policy/picture_facts.h"

#include <algorithm>

#include "data/container.h"
#include "engraft/data/image.h"
#include "engraft/error.h"

namespace engraft {

double median_shorter_side(const std::vector<Sample>& samples) {
  std::vector<int64_t> sides;
  for (const Sample& sample : samples) try {
      const Container file = inspect_container(read_bytes(sample.path));
      int64_t side = std::min(file.width, file.height);
      if (side <= 0) {  // WebP and TIFF are not read that far
        const cv::Mat picture = decode_image(sample.path);
        side = std::min(picture.rows, picture.cols);
      }
      sides.push_back(side);
    } catch (const Error&) {
      // Whoever decodes it says what is wrong, and in which file.
    }
  if (sides.empty()) return 0;
  std::ranges::sort(sides);
  const size_t middle = sides.size() / 2;
  return sides.size() % 2 == 1
             ? static_cast<double>(sides[middle])
             : static_cast<double>(sides[middle - 1] + sides[middle]) / 2;
}

int64_t count_grey(const torch::Tensor& images, const InputSpec& input) {
  constexpr double kTwoLevels = 2.0 / 255;
  const bool bgr = input.channels == "BGR";
  const auto level = [&](int64_t channel) {  // of R, G, B
    const auto at = static_cast<size_t>(channel);
    return images.select(1, bgr ? 2 - channel : channel) * input.std[at] +
           input.mean[at];
  };
  const auto red = level(0), green = level(1), blue = level(2);
  const auto most = torch::maximum(torch::maximum(red, green), blue);
  const auto least = torch::minimum(torch::minimum(red, green), blue);
  const auto colour = (most - least).flatten(1);
  return std::get<0>(colour.max(1)).lt(kTwoLevels).sum().item<int64_t>();
}

}  // namespace engraft
