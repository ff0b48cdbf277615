#include "data/training_view.h"

#include "data/content_hash.h"
#include "engraft/data/image.h"

namespace engraft {

void for_each_training_view(const Sample& sample,
                            const AugmentSettings& settings,
                            const InputSpec& spec, uint64_t seed, int64_t first,
                            int64_t count,
                            const std::function<void(const cv::Mat&)>& each) {
  const cv::Mat image = decode_image(sample.path, needed_side(settings, spec));
  const std::string& key =
      sample.content.empty() ? sample.path : sample.content;
  for (int64_t epoch = first; epoch < first + count; ++epoch) {
    ImageRandom random(seed, static_cast<uint64_t>(epoch),
                       content_hash(key).high);
    each(random_view(image, settings, spec, random));
  }
}

cv::Mat training_view(const Sample& sample, const AugmentSettings& settings,
                      const InputSpec& spec, uint64_t seed, int64_t epoch) {
  cv::Mat out;
  for_each_training_view(sample, settings, spec, seed, epoch, 1,
                         [&](const cv::Mat& view) { out = view; });
  return out;
}

}  // namespace engraft
