#include "data/jpeg.h"

#include <turbojpeg.h>

#include <memory>
#include <string>

#include "engraft/error.h"

namespace engraft {
namespace {

struct Destroy {
  void operator()(void* handle) const { tjDestroy(handle); }
};

/// One a thread: making it costs more than a small picture.
tjhandle decompressor() {
  thread_local const std::unique_ptr<void, Destroy> handle(tjInitDecompress());
  return handle.get();
}

}  // namespace

void refuse_jpeg_damage(const std::string& warnings) {
  for (const char* damage : {"premature end", "Premature end", "bad Huffman"})
    if (warnings.find(damage) != std::string::npos)
      fail(Fault::data,
           "JPEG is damaged: ", warnings.substr(0, warnings.find('\n')));
}

std::optional<cv::Mat> decode_jpeg(Bytes bytes, int factor) {
  const tjhandle handle = decompressor();
  int width = 0, height = 0, sampling = 0, colours = 0;
  if (!handle || tjDecompressHeader3(handle, bytes.data(), bytes.size(), &width,
                                     &height, &sampling, &colours) != 0)
    return std::nullopt;
  if (colours == TJCS_CMYK || colours == TJCS_YCCK) return std::nullopt;
  const tjscalingfactor scale{1, factor};
  cv::Mat rgb(TJSCALED(height, scale), TJSCALED(width, scale), CV_8UC3);
  if (tjDecompress2(handle, bytes.data(), bytes.size(), rgb.data, rgb.cols,
                    static_cast<int>(rgb.step), rgb.rows, TJPF_RGB, 0) == 0)
    return rgb;
  if (tjGetErrorCode(handle) != TJERR_WARNING) return std::nullopt;
  refuse_jpeg_damage(tjGetErrorStr2(handle));
  return rgb;
}

}  // namespace engraft
