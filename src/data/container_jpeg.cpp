#include <cstring>

#include "data/container.h"
#include "engraft/error.h"

namespace engraft {
namespace {

// Markers (ITU-T T.81, table B.1).
constexpr uint8_t kStartOfScan = 0xDA, kEndOfImage = 0xD9, kApp1 = 0xE1;

bool stands_alone(uint8_t marker) {  // no length follows: TEM, RSTn, SOI
  return marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8);
}

bool is_frame_header(uint8_t marker) {  // SOFn, without DHT, JPG and DAC
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 &&
         marker != 0xCC;
}

/// Position of the next marker's 0xFF after entropy-coded data, in which 0xFF
/// is followed by 0 (a stuffed byte), by RSTn or by fill bytes.
size_t end_of_scan(Bytes bytes, size_t at) {
  while (at + 1 < bytes.size()) {
    const void* found = std::memchr(&bytes[at], 0xFF, bytes.size() - at - 1);
    if (!found) break;
    at = static_cast<size_t>(static_cast<const uint8_t*>(found) - &bytes[0]);
    const uint8_t next = bytes[at + 1];
    const bool data = next == 0 || (next >= 0xD0 && next <= 0xD7);
    if (!data && next != 0xFF) return at;
    at += next == 0xFF ? 1 : 2;
  }
  fail(Fault::data, "JPEG is cut short: its data end before the picture does");
}

void read_segment(uint8_t marker, Bytes segment, Container& container) {
  if (is_frame_header(marker) && segment.size() >= 6) {
    container.height = big_endian16(&segment[1]);
    container.width = big_endian16(&segment[3]);
  } else if (marker == kApp1 && segment.size() > 6 &&
             std::memcmp(segment.data(), "Exif\0\0", 6) == 0) {
    container.orientation = exif_orientation(segment.subspan(6));
  }
}

}  // namespace

Container inspect_jpeg(Bytes bytes) {
  Container container{.format = PictureFormat::jpeg};
  bool scanned = false;
  for (size_t at = 2; at + 2 <= bytes.size();) {
    const uint8_t marker = bytes[at + 1];
    if (bytes[at] != 0xFF || marker == 0xFF) {  // fill or stray byte
      ++at;
      continue;
    }
    if (marker == kEndOfImage) {
      if (!scanned || !container.width || !container.height)
        fail(Fault::data, "JPEG holds no picture");
      return container;
    }
    at += 2;
    if (stands_alone(marker)) continue;
    if (at + 2 > bytes.size()) break;
    const size_t length = big_endian16(&bytes[at]);
    if (length < 2 || at + length > bytes.size()) break;
    read_segment(marker, bytes.subspan(at + 2, length - 2), container);
    at += length;
    if (marker != kStartOfScan) continue;
    scanned = true;
    at = end_of_scan(bytes, at);
  }
  fail(Fault::data, "JPEG is cut short: it has no end-of-image marker");
}

}  // namespace engraft
