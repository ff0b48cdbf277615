#include "engraft/data/preview.h"

#include <algorithm>
#include <fstream>
#include <opencv2/imgproc.hpp>

#include "data/codecs.h"
#include "data/training_view.h"
#include "engraft/data/image.h"
#include "engraft/error.h"

namespace engraft {
namespace {

constexpr int kMaxClasses = 40, kViews = 8, kTile = 144, kGap = 4, kText = 26;
constexpr int kRow = kText + kTile + kGap;
constexpr int kWidth = kGap + kViews * (kTile + kGap);

/// OpenCV's font has ASCII only: Latin letters lose their accents, any other
/// character becomes one question mark.
std::string drawable(const std::string& utf8) {
  // U+00C0 to U+00FF.
  constexpr std::string_view kLatin =
      "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuyty";
  std::string out;
  for (size_t i = 0; i < utf8.size(); ++i) {
    const auto byte = static_cast<uint8_t>(utf8[i]);
    if (byte < 0x80) {
      out += utf8[i];
    } else if (byte == 0xC3 && i + 1 < utf8.size()) {
      out += kLatin[static_cast<uint8_t>(utf8[++i]) & 0x3F];
    } else if (byte >= 0xC0) {  // first byte of a character
      out += '?';
    }
  }
  return out;
}

std::string title(const ImageFolder& folder, int64_t label, size_t pictures) {
  return std::to_string(label) + "  " +
         drawable(folder.classes[static_cast<size_t>(label)]) + "  (" +
         std::to_string(pictures) + ")";
}

std::vector<const Sample*> of_class(const ImageFolder& folder, int64_t label) {
  std::vector<const Sample*> samples;
  for (const Sample& sample : folder.train)
    if (sample.label == label) samples.push_back(&sample);
  return samples;
}

void save(const std::string& path, const cv::Mat& bgr) {
  const std::vector<uint8_t> png = encode_png(bgr);
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(png.data()), std::ssize(png));
  out.close();
  if (!out) fail(Fault::io, path, ": the preview cannot be written");
}

}  // namespace

void write_preview(const std::string& path, const ImageFolder& folder,
                   const AugmentSettings& settings, const InputSpec& spec,
                   uint64_t seed) {
  const int rows =
      static_cast<int>(std::min<int64_t>(folder.num_classes(), kMaxClasses));
  cv::Mat sheet(rows * kRow, kWidth, CV_8UC3, cv::Scalar::all(255));
  for (int row = 0; row < rows; ++row) {
    const std::vector<const Sample*> samples = of_class(folder, row);
    cv::putText(sheet, title(folder, row, samples.size()),
                {kGap, row * kRow + kText - 8}, cv::FONT_HERSHEY_SIMPLEX, 0.55,
                cv::Scalar::all(0), 1, cv::LINE_AA);
    for (size_t i = 0; i < kViews && !samples.empty(); ++i) {
      // A class of few pictures shows them again as later epochs do.
      const Sample& sample = *samples[i % samples.size()];
      const auto epoch = static_cast<int64_t>(i / samples.size());
      const cv::Mat view = training_view(sample, settings, spec, seed, epoch);
      const cv::Rect tile(kGap + static_cast<int>(i) * (kTile + kGap),
                          row * kRow + kText, kTile, kTile);
      resize_image(view, kTile, kTile, Interpolation::bilinear)
          .copyTo(sheet(tile));
    }
  }
  cv::cvtColor(sheet, sheet, cv::COLOR_RGB2BGR);
  save(path, sheet);
}

}  // namespace engraft
