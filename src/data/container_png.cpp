#include <array>
#include <cstring>
#include <functional>
#include <string_view>

#include "data/container.h"
#include "engraft/error.h"

namespace engraft {
namespace {

constexpr size_t kSignature = 8, kFrame = 12;  // length, type and CRC

std::array<uint32_t, 256> crc_table() {  // PNG specification, annex D
  std::array<uint32_t, 256> table{};
  for (uint32_t n = 0; n < 256; ++n) {
    uint32_t c = n;
    for (int k = 0; k < 8; ++k) c = c & 1 ? 0xEDB88320U ^ (c >> 1) : c >> 1;
    table[n] = c;
  }
  return table;
}

uint32_t crc32(Bytes bytes) {
  static const std::array<uint32_t, 256> table = crc_table();
  uint32_t crc = 0xFFFFFFFFU;
  for (const uint8_t byte : bytes)
    crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

/// Calls visit(type, whole chunk) up to the end chunk, which must be there.
void for_each_chunk(Bytes bytes,
                    const std::function<void(std::string_view, Bytes)>& visit) {
  for (size_t at = kSignature; at + kFrame <= bytes.size();) {
    const size_t length = big_endian32(&bytes[at]);
    if (length > bytes.size() - at - kFrame) break;
    const Bytes chunk = bytes.subspan(at, length + kFrame);
    const std::string_view type(reinterpret_cast<const char*>(&chunk[4]), 4);
    visit(type, chunk);
    if (type == "IEND") return;
    at += chunk.size();
  }
  fail(Fault::data, "PNG is cut short: it has no end chunk");
}

bool makes_pixels(std::string_view type) {
  return type == "IHDR" || type == "PLTE" || type == "tRNS" || type == "IDAT" ||
         type == "IEND";
}

Bytes content(Bytes chunk) { return chunk.subspan(8, chunk.size() - kFrame); }

}  // namespace

Container inspect_png(Bytes bytes) {
  Container container{.format = PictureFormat::png};
  bool has_data = false;
  for_each_chunk(bytes, [&](std::string_view type, Bytes chunk) {
    const size_t end = chunk.size() - 4;
    if (makes_pixels(type) &&
        crc32(chunk.subspan(4, end - 4)) != big_endian32(&chunk[end]))
      fail(Fault::data, "PNG is damaged: its ", type,
           " chunk does not match its checksum");
    if (type == "IHDR" && content(chunk).size() >= 13) {
      container.width = big_endian32(&chunk[8]);
      container.height = big_endian32(&chunk[12]);
    }
    if (type == "eXIf")
      container.orientation = exif_orientation(content(chunk));
    has_data = has_data || type == "IDAT";
  });
  if (!has_data || !container.width || !container.height)
    fail(Fault::data, "PNG holds no picture");
  return container;
}

std::vector<uint8_t> essential_png(Bytes bytes) {
  std::vector<uint8_t> out(bytes.begin(), bytes.begin() + kSignature);
  out.reserve(bytes.size());
  for_each_chunk(bytes, [&](std::string_view type, Bytes chunk) {
    if (makes_pixels(type)) out.insert(out.end(), chunk.begin(), chunk.end());
  });
  return out;
}

}  // namespace engraft
