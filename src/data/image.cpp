#include "engraft/data/image.h"

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "data/codecs.h"
#include "data/container.h"
#include "data/decode.h"
#include "data/jpeg.h"
#include "data/quiet.h"
#include "engraft/error.h"

namespace engraft {
namespace {

// 750 MB of RGB: far above any photograph, far below what a header of a few
// damaged bytes can ask for.
constexpr int64_t kMaxPixels = 250'000'000;

int reduction(const Container& container, int64_t min_side) {
  if (container.format != PictureFormat::jpeg || min_side <= 0) return 1;
  const int64_t side = std::min(container.width, container.height);
  for (const int factor : {8, 4, 2})
    if (side / factor >= min_side) return factor;
  return 1;
}

int read_flags(const Container& container, int factor) {
  const int keep = cv::IMREAD_IGNORE_ORIENTATION;
  if (container.format != PictureFormat::jpeg)
    // Everything as stored: alpha and 16 bits follow our rule, not OpenCV's.
    return cv::IMREAD_UNCHANGED;
  switch (factor) {
    case 8:
      return keep | cv::IMREAD_REDUCED_COLOR_8;
    case 4:
      return keep | cv::IMREAD_REDUCED_COLOR_4;
    case 2:
      return keep | cv::IMREAD_REDUCED_COLOR_2;
    default:
      return keep | cv::IMREAD_COLOR;
  }
}

cv::Mat decode_raw(Bytes bytes, const Container& container, int factor) {
  std::vector<uint8_t> rewritten;
  if (container.format == PictureFormat::png) {
    rewritten = essential_png(bytes);
    bytes = rewritten;
  }
  // OpenCV takes a mutable pointer but only reads.
  const cv::Mat buffer(1, static_cast<int>(bytes.size()), CV_8U,
                       const_cast<uint8_t*>(bytes.data()));
  const QuietStderr quiet;
  const cv::Mat raw = decode_with_opencv(buffer, read_flags(container, factor));
  if (raw.empty()) fail(Fault::data, why_not_decoded(bytes, container));
  if (container.format == PictureFormat::jpeg) refuse_jpeg_damage(quiet.text());
  return raw;
}

cv::Mat to_8_bit(const cv::Mat& raw) {
  if (raw.depth() == CV_8U) return raw;
  if (raw.depth() != CV_16U)
    fail(Fault::data,
         "holds numbers that are not 8-bit or 16-bit whole ones: convert it");
  cv::Mat out(raw.size(), CV_8UC(raw.channels()));
  const int row = raw.cols * raw.channels();
  for (int y = 0; y < raw.rows; ++y) {
    const uint16_t* in = raw.ptr<uint16_t>(y);
    uint8_t* to = out.ptr<uint8_t>(y);
    for (int x = 0; x < row; ++x)
      to[x] = static_cast<uint8_t>((in[x] + 128) / 257);
  }
  return out;
}

/// BGRA over white, to RGB. TIFF colours come already multiplied by alpha.
cv::Mat over_white(const cv::Mat& bgra, bool premultiplied) {
  cv::Mat out(bgra.size(), CV_8UC3);
  for (int y = 0; y < bgra.rows; ++y) {
    const uint8_t* in = bgra.ptr<uint8_t>(y);
    uint8_t* to = out.ptr<uint8_t>(y);
    for (int x = 0; x < bgra.cols; ++x, in += 4, to += 3) {
      const int alpha = in[3], white = 255 * (255 - alpha);
      for (int c = 0; c < 3; ++c) {
        const int share = in[2 - c] * (premultiplied ? 255 : alpha);
        to[c] =
            static_cast<uint8_t>(std::min((share + white + 127) / 255, 255));
      }
    }
  }
  return out;
}

/// Many BMP writers leave the fourth byte 0 and mean opaque.
bool alpha_is_unused(const cv::Mat& bgra, const Container& container) {
  if (container.format != PictureFormat::bmp) return false;
  cv::Mat alpha;
  cv::extractChannel(bgra, alpha, 3);
  return cv::countNonZero(alpha) == 0;
}

cv::Mat to_rgb(const cv::Mat& raw, const Container& container) {
  const cv::Mat image = to_8_bit(raw);
  cv::Mat rgb;
  switch (image.channels()) {
    case 1:
      cv::cvtColor(image, rgb, cv::COLOR_GRAY2RGB);
      return rgb;
    case 3:
      cv::cvtColor(image, rgb, cv::COLOR_BGR2RGB);
      return rgb;
    case 4:
      break;
    default:
      fail(Fault::data, "has ", image.channels(), " channels: convert it to ",
           "grey, RGB or RGBA");
  }
  if (alpha_is_unused(image, container)) {
    cv::cvtColor(image, rgb, cv::COLOR_BGRA2RGB);
    return rgb;
  }
  return over_white(image, container.format == PictureFormat::tiff);
}

/// EXIF orientation: 5 to 8 are transposed, then (as 2 to 4) mirrored.
cv::Mat upright(const cv::Mat& stored, int orientation) {
  if (orientation == 1) return stored;
  cv::Mat image = stored;
  if (orientation >= 5) cv::transpose(stored, image);
  const bool left_right = orientation == 2 || orientation == 3 ||
                          orientation == 6 || orientation == 7;
  const bool up_down = orientation == 3 || orientation == 4 ||
                       orientation == 7 || orientation == 8;
  cv::Mat out = image;
  if (left_right || up_down)
    cv::flip(image, out, left_right && up_down ? -1 : left_right ? 1 : 0);
  return out;
}

}  // namespace

cv::Mat decode_bytes(Bytes bytes, int64_t min_side) try {
  const Container container = inspect_container(bytes);
  const int factor = reduction(container, min_side);
  // Also where a smaller one is decoded: the evaluation view takes all of it.
  // Sides first: the product of two damaged ones would overflow.
  if (container.width > kMaxPixels || container.height > kMaxPixels ||
      container.width * container.height > kMaxPixels)
    fail(Fault::data, "has ", container.width, " x ", container.height,
         " pixels, more than the ", kMaxPixels / 1'000'000,
         " million that are supported");
  std::optional<cv::Mat> rgb;
  if (container.format == PictureFormat::jpeg) rgb = decode_jpeg(bytes, factor);
  if (!rgb) rgb = to_rgb(decode_raw(bytes, container, factor), container);
  return upright(*rgb, container.orientation);
} catch (const cv::Exception& error) {
  fail(Fault::data, "does not decode: ", error.err);
}

cv::Mat decode_image(const std::string& path, int64_t min_side) try {
  return decode_bytes(read_bytes(path), min_side);
} catch (const Error& error) {
  fail(error.fault, path, ": ", error.what());
}

}  // namespace engraft
