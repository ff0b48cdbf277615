#include "data/container.h"

#include <cstring>
#include <string_view>

#include "engraft/error.h"

namespace engraft {
namespace {

bool starts_with(Bytes bytes, std::string_view magic, size_t offset = 0) {
  return bytes.size() >= offset + magic.size() &&
         std::memcmp(&bytes[offset], magic.data(), magic.size()) == 0;
}

Container inspect_bmp(Bytes bytes) {
  Container container{.format = PictureFormat::bmp};
  if (bytes.size() < 26) fail(Fault::data, "BMP is cut short in its header");
  if (little_endian32(&bytes[14]) < 40 || bytes.size() < 34) return container;
  const auto signed32 = [&](size_t at) {
    return static_cast<int64_t>(
        static_cast<int32_t>(little_endian32(&bytes[at])));
  };
  container.width = signed32(18);
  // A negative height says that the rows come from top to bottom.
  container.height = signed32(22) < 0 ? -signed32(22) : signed32(22);
  if (container.width <= 0 || container.height == 0)
    fail(Fault::data, "BMP holds no picture");
  const uint32_t compression = little_endian32(&bytes[30]);
  if (compression != 0 && compression != 3) return container;  // run lengths
  const int64_t bits = little_endian16(&bytes[28]);
  const int64_t row = (container.width * bits + 31) / 32 * 4;
  const int64_t rest = std::ssize(bytes) - little_endian32(&bytes[10]);
  if (row == 0 || container.height > rest / row)
    fail(Fault::data, "BMP is cut short: ", bytes.size(), " bytes for ",
         container.width, " x ", container.height, " pixels");
  return container;
}

Container inspect_webp(Bytes bytes) {
  Container container{.format = PictureFormat::webp};
  const size_t size = size_t{little_endian32(&bytes[4])} + 8;
  if (bytes.size() < size)
    fail(Fault::data, "WebP is cut short: ", bytes.size(), " bytes of ", size);
  for (size_t at = 12; at + 8 <= size;) {
    const size_t length = little_endian32(&bytes[at + 4]);
    if (length > size - at - 8) break;
    Bytes chunk = bytes.subspan(at + 8, length);
    if (starts_with(bytes, "EXIF", at)) {
      if (starts_with(chunk, std::string_view("Exif\0\0", 6)))
        chunk = chunk.subspan(6);
      container.orientation = exif_orientation(chunk);
    }
    at += 8 + length + length % 2;
  }
  return container;
}

}  // namespace

Container inspect_container(Bytes bytes) {
  if (starts_with(bytes, "\xFF\xD8\xFF")) return inspect_jpeg(bytes);
  if (starts_with(bytes, "\x89PNG\r\n\x1A\n")) return inspect_png(bytes);
  if (starts_with(bytes, "RIFF") && starts_with(bytes, "WEBP", 8))
    return inspect_webp(bytes);
  if (starts_with(bytes, "BM")) return inspect_bmp(bytes);
  if (starts_with(bytes, std::string_view("II*\0", 4)) ||
      starts_with(bytes, std::string_view("MM\0*", 4)))
    return {.format = PictureFormat::tiff};
  return {};
}

std::string why_not_decoded(Bytes bytes, const Container& container) {
  for (const char* brand : {"ftypheic", "ftypheix", "ftypmif1", "ftypavif"})
    if (starts_with(bytes, brand, 4))
      return "is a HEIC or AVIF picture, which is not supported: convert it";
  if (starts_with(bytes, "GIF8"))
    return "is a GIF picture, which is not supported: convert it";
  if (starts_with(bytes, "%PDF")) return "is a PDF document, not a picture";
  if (starts_with(bytes, "<") || starts_with(bytes, "\xEF\xBB\xBF<"))
    return "is a text file (HTML, SVG or XML), not a picture";
  if (container.format == PictureFormat::other)
    return "is not a picture that can be decoded";
  constexpr uint8_t kAnimated = 0x02;
  if (container.format == PictureFormat::webp && bytes.size() > 20 &&
      starts_with(bytes, "VP8X", 12) && (bytes[20] & kAnimated))
    return "is an animated WebP, which is not supported: keep one frame";
  return "does not decode: its data are damaged, cut short or of an unknown "
         "kind";
}

}  // namespace engraft
