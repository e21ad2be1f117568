#pragma once

#include <cstdint>

namespace dstorch {

/// SplitMix64 (Steele, Lea, Flood 2014): small, seedable, the same on every machine. Not for secrets.
class Rng {
 public:
  explicit Rng(uint64_t seed) noexcept : state_(seed) {}

  uint64_t next() noexcept {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }

  /// Uniform in [0, 1), 53 bits.
  double uniform() noexcept { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

  /// Uniform in [0, bound), bound > 0; the bias of the plain product is below 2^-32 for bounds under 2^32.
  uint64_t below(uint64_t bound) noexcept {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64U);
  }

  [[nodiscard]] uint64_t state() const noexcept { return state_; }
  void set_state(uint64_t state) noexcept { state_ = state; }

 private:
  uint64_t state_;
};

}  // namespace dstorch
