#include "data/content_hash.h"

#include <gtest/gtest.h>

namespace engraft {
namespace {

// From the reference implementation (Python's mmh3.hash64, x64, seed 0).
TEST(ContentHash, IsMurmurHash3) {
  EXPECT_EQ(content_hash("").hex(), std::string(32, '0'));
  EXPECT_EQ(content_hash("a").hex(), "85555565f6597889e6b53a48510e895a");
  EXPECT_EQ(content_hash("The quick brown fox jumps over the lazy dog").hex(),
            "e34bbc7bbc071b6c7a433ca9c49a9347");
  std::string bytes(33, '\0');
  for (size_t i = 0; i < 33; ++i) bytes[i] = static_cast<char>(i);
  EXPECT_EQ(content_hash(bytes).hex(), "7d41281bfaba461255ac8073a7d6a30b");
}

}  // namespace
}  // namespace engraft
