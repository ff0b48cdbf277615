#include "engraft/data/augment.h"

namespace engraft {
namespace {

constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection whose
/// outputs at key + i * kGolden pass as random.
uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

}  // namespace

ImageRandom::ImageRandom(uint64_t seed, uint64_t epoch, uint64_t image)
    : key_(mix(mix(mix(seed + kGolden) + epoch + kGolden) + image + kGolden)) {}

double ImageRandom::uniform() {
  return static_cast<double>(mix(key_ + ++counter_ * kGolden) >> 11) * 0x1p-53;
}

double ImageRandom::uniform(double low, double high) {
  return low + (high - low) * uniform();
}

double ImageRandom::normal() {
  // Twelve uniforms (Irwin-Hall): additions alone, so that every machine draws
  // the same; log and cos of other methods differ in their last bits.
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += uniform();
  return sum;
}

}  // namespace engraft
