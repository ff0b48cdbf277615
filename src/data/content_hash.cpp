#include "data/content_hash.h"

#include <bit>
#include <cstdio>

namespace engraft {
namespace {

constexpr uint64_t kFirst = 0x87C37B91114253D5, kSecond = 0x4CF5AD432745937F;

uint64_t little_endian64(const uint8_t* p, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value |= uint64_t{p[i]} << (8 * i);
  return value;
}

uint64_t mix_first(uint64_t k) { return std::rotl(k * kFirst, 31) * kSecond; }
uint64_t mix_second(uint64_t k) { return std::rotl(k * kSecond, 33) * kFirst; }

uint64_t finish(uint64_t k) {
  k = (k ^ (k >> 33)) * 0xFF51AFD7ED558CCD;
  k = (k ^ (k >> 33)) * 0xC4CEB9FE1A85EC53;
  return k ^ (k >> 33);
}

}  // namespace

std::string ContentHash::hex() const {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx",
                static_cast<unsigned long long>(high),
                static_cast<unsigned long long>(low));
  return text;
}

ContentHash content_hash(Bytes bytes) {
  uint64_t h1 = 0, h2 = 0;
  const size_t whole = bytes.size() / 16 * 16;
  for (size_t i = 0; i < whole; i += 16) {
    h1 ^= mix_first(little_endian64(&bytes[i], 8));
    h1 = (std::rotl(h1, 27) + h2) * 5 + 0x52DCE729;
    h2 ^= mix_second(little_endian64(&bytes[i + 8], 8));
    h2 = (std::rotl(h2, 31) + h1) * 5 + 0x38495AB5;
  }
  const Bytes tail = bytes.subspan(whole);
  if (tail.size() > 8)
    h2 ^= mix_second(little_endian64(&tail[8], tail.size() - 8));
  if (!tail.empty())
    h1 ^= mix_first(
        little_endian64(tail.data(), tail.size() < 8 ? tail.size() : 8));
  h1 ^= bytes.size();
  h2 ^= bytes.size();
  h1 += h2;
  h2 += h1;
  h1 = finish(h1);
  h2 = finish(h2);
  h1 += h2;
  h2 += h1;
  return {h1, h2};
}

ContentHash content_hash(std::string_view text) {
  return content_hash(
      Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

}  // namespace engraft
