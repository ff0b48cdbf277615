#include "data/training_view.h"

#include "data/content_hash.h"
#include "engraft/data/image.h"

namespace engraft {

cv::Mat training_view(const Sample& sample, const AugmentSettings& settings,
                      const InputSpec& spec, uint64_t seed, int64_t epoch) {
  const cv::Mat image = decode_image(sample.path, needed_side(settings, spec));
  const std::string& key =
      sample.content.empty() ? sample.path : sample.content;
  ImageRandom random(seed, static_cast<uint64_t>(epoch),
                     content_hash(key).high);
  return random_view(image, settings, spec, random);
}

}  // namespace engraft
