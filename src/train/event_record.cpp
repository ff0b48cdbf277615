// The formats are those of tensorflow/core/lib/io/record_writer.h and
// tensorflow/core/util/event.proto.

#include "train/event_record.h"

#include <array>
#include <bit>

#include "data/bytes.h"

namespace engraft {
namespace {

constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    table[i] = i;
    for (int bit = 0; bit < 8; ++bit)
      table[i] = (table[i] >> 1) ^ (table[i] & 1 ? 0x82F63B78U : 0U);
  }
  return table;
}

/// Little endian.
template <typename Unsigned>
void put_fixed(std::string& out, Unsigned value) {
  for (size_t i = 0; i < sizeof(value); ++i)
    out += static_cast<char>(value >> (8 * i) & 0xFF);
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    out += static_cast<char>((value & 0x7F) | 0x80);
  out += static_cast<char>(value);
}

enum class Wire { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// field  below 16: the key is one byte
void put_key(std::string& out, int field, Wire wire) {
  out += static_cast<char>(field << 3 | static_cast<int>(wire));
}

void put_double(std::string& out, int field, double value) {
  put_key(out, field, Wire::fixed64);
  put_fixed(out, std::bit_cast<uint64_t>(value));
}

void put_float(std::string& out, int field, float value) {
  put_key(out, field, Wire::fixed32);
  put_fixed(out, std::bit_cast<uint32_t>(value));
}

void put_bytes(std::string& out, int field, std::string_view content) {
  put_key(out, field, Wire::bytes);
  put_varint(out, content.size());
  out += content;
}

/// Keeps sums over data that holds sums itself from being weak.
uint32_t masked_crc(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xA282EAD8U;
}

constexpr size_t kLength = 8, kSum = 4;

std::string framed(std::string_view data) {
  std::string out;
  put_fixed(out, uint64_t{data.size()});
  put_fixed(out, masked_crc(out));
  out += data;
  put_fixed(out, masked_crc(data));
  return out;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = crc_table();
  uint32_t crc = 0xFFFFFFFFU;
  for (const char byte : bytes)
    crc = kTable[(crc ^ static_cast<uint8_t>(byte)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

std::string version_record(double wall_time) {
  std::string source, event;
  put_bytes(source, 1, "engraft");  // SourceMetadata.writer
  put_double(event, 1, wall_time);
  put_bytes(event, 3, "brain.Event:2");  // file_version
  put_bytes(event, 10, source);          // source_metadata
  return framed(event);
}

std::string scalar_record(double wall_time, int64_t step,
                          const std::vector<Scalar>& scalars) {
  std::string summary;
  for (const Scalar& scalar : scalars) {
    std::string value;
    put_bytes(value, 1, scalar.tag);
    put_float(value, 2, scalar.value);  // simple_value
    put_bytes(summary, 1, value);
  }
  std::string event;
  put_double(event, 1, wall_time);
  put_key(event, 2, Wire::varint);
  put_varint(event, static_cast<uint64_t>(step));
  put_bytes(event, 5, summary);
  return framed(event);
}

bool starts_with_version_record(std::string_view bytes) {
  constexpr size_t kTime = kLength + kSum + 1;  // behind its key
  if (bytes.size() < kTime + sizeof(double)) return false;
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data()) + kTime;
  const uint64_t bits = little_endian32(at) | uint64_t{little_endian32(at + 4)}
                                                  << 32;
  return bytes.starts_with(version_record(std::bit_cast<double>(bits)));
}

}  // namespace engraft
