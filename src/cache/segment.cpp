#include "cache/segment.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string_view>

#include "cache/file_map.h"
#include "data/content_hash.h"

namespace engraft {
namespace {

constexpr std::string_view kMagic = "ENGRROWS";
constexpr std::string_view kEnding = ".rows";
constexpr uint32_t kVersion = 1;
constexpr int64_t kHeaderBytes = 48, kEntryBytes = 24, kHashBytes = 16;
constexpr int64_t kAlignment = 64;

void put(std::vector<uint8_t>& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i)
    out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

void put(std::vector<uint8_t>& out, const ContentHash& hash) {
  put(out, hash.high, 8);
  put(out, hash.low, 8);
}

uint64_t number_at(const uint8_t* p) {
  return uint64_t{little_endian32(p + 4)} << 32 | little_endian32(p);
}

/// False at the end of the file or on an error.
bool read_at(int fd, int64_t offset, uint8_t* out, size_t size) {
  while (size > 0) {
    const ssize_t done = ::pread(fd, out, size, offset);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    out += done;
    offset += done;
    size -= static_cast<size_t>(done);
  }
  return true;
}

bool is_ours(const uint8_t* header) {
  return std::memcmp(header, kMagic.data(), kMagic.size()) == 0;
}

/// Rows that the header speaks of; nullopt where the file is too short for
/// their index, or another version may mean something else by the number.
std::optional<int64_t> plausible_rows(const uint8_t* header,
                                      int64_t file_bytes) {
  const uint64_t count = number_at(header + 40);
  const int64_t room = (file_bytes - kHeaderBytes - kHashBytes) / kEntryBytes;
  const auto most =
      std::min<int64_t>(room, std::numeric_limits<uint32_t>::max());
  if (little_endian32(header + 8) != kVersion || most < 0 ||
      count > static_cast<uint64_t>(most))
    return std::nullopt;
  return static_cast<int64_t>(count);
}

std::vector<uint8_t> header_of(const SegmentHead& head,
                               const std::string& shelf) {
  std::vector<uint8_t> bytes(kMagic.begin(), kMagic.end());
  put(bytes, kVersion, 4);
  put(bytes, 0, 4);
  put(bytes, content_hash(shelf));
  put(bytes, static_cast<uint64_t>(head.row_bytes), 8);
  put(bytes, head.index.size(), 8);
  return bytes;
}

SegmentHead decode_index(const std::vector<uint8_t>& bytes, int64_t count,
                         int64_t row_bytes) {
  SegmentHead head;
  head.row_bytes = row_bytes;
  head.index.reserve(static_cast<size_t>(count));
  const uint8_t* at = bytes.data() + kHeaderBytes;
  for (int64_t i = 0; i < count; ++i, at += kEntryBytes)
    head.index.push_back(
        {{number_at(at), number_at(at + 8)}, number_at(at + 16)});
  return head;
}

}  // namespace

int64_t SegmentHead::rows_offset() const {
  const int64_t head = kHeaderBytes +
                       kEntryBytes * static_cast<int64_t>(index.size()) +
                       kHashBytes;
  return (head + kAlignment - 1) / kAlignment * kAlignment;
}

int64_t SegmentHead::file_bytes() const {
  return rows_offset() + row_bytes * static_cast<int64_t>(index.size());
}

uint64_t row_checksum(Bytes row) { return content_hash(row).high; }

bool is_segment_name(const std::string& name) {
  const size_t digits = 2 * kHashBytes;
  return name.size() == digits + kEnding.size() && name.ends_with(kEnding) &&
         name.find_first_not_of("0123456789abcdef") == digits;
}

EncodedHead encode_head(const SegmentHead& head, const std::string& shelf) {
  EncodedHead out{header_of(head, shelf), {}};
  out.bytes.reserve(static_cast<size_t>(head.rows_offset()));
  for (const IndexEntry& entry : head.index) {
    put(out.bytes, entry.key.high, 8);
    put(out.bytes, entry.key.low, 8);
    put(out.bytes, entry.checksum, 8);
  }
  const ContentHash hash = content_hash(Bytes(out.bytes));
  put(out.bytes, hash);
  out.bytes.resize(static_cast<size_t>(head.rows_offset()), 0);
  out.name = hash.hex() + std::string(kEnding);
  return out;
}

std::optional<SegmentHead> read_head(int fd, int64_t file_bytes,
                                     const std::string& name,
                                     const std::string& shelf,
                                     int64_t row_bytes) {
  std::vector<uint8_t> bytes(kHeaderBytes);
  if (!read_at(fd, 0, bytes.data(), bytes.size())) return std::nullopt;
  const auto count = plausible_rows(bytes.data(), file_bytes);
  if (!count) return std::nullopt;
  const int64_t hashed = kHeaderBytes + kEntryBytes * *count;
  bytes.resize(static_cast<size_t>(hashed));
  if (!read_at(fd, kHeaderBytes, bytes.data() + kHeaderBytes,
               bytes.size() - kHeaderBytes))
    return std::nullopt;
  SegmentHead head = decode_index(bytes, *count, row_bytes);
  // Encoding what must have been written and comparing all of it checks the
  // magic, the shelf, the row size and the hash in one go.
  const EncodedHead expected = encode_head(head, shelf);
  std::vector<uint8_t> found(expected.bytes.size());
  if (name != expected.name || file_bytes != head.file_bytes() ||
      !read_at(fd, 0, found.data(), found.size()) || found != expected.bytes)
    return std::nullopt;
  return head;
}

std::optional<int64_t> rows_in_header(const std::string& path,
                                      int64_t file_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW));
  uint8_t header[kHeaderBytes] = {};
  if (!file || !read_at(file.get(), 0, header, kMagic.size()) ||
      !is_ours(header))
    return std::nullopt;
  if (!read_at(file.get(), 0, header, sizeof header)) return 0;
  return plausible_rows(header, file_bytes).value_or(0);
}

}  // namespace engraft
