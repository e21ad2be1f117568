#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace dstorch::text {

/// Spreads the bits of `x` over the whole word (the finalizer of MurmurHash3, Appleby 2011).
inline uint64_t mix_bits(uint64_t x) noexcept {
  x ^= x >> 33U;
  x *= 0xFF51AFD7ED558CCDULL;
  x ^= x >> 33U;
  x *= 0xC4CEB9FE1A85EC53ULL;
  x ^= x >> 33U;
  return x;
}

/// A fast hash of short strings, eight bytes at a time. Not for secrets; tables that use it must bound their load only.
inline uint64_t hash_bytes(std::string_view bytes) noexcept {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15ULL;
  uint64_t hash = bytes.size() * kMultiplier;
  const char* data = bytes.data();
  std::size_t left = bytes.size();
  while (left >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, data, 8);
    hash = (hash ^ word) * kMultiplier;
    hash ^= hash >> 29U;
    data += 8;
    left -= 8;
  }
  uint64_t tail = 0;
  for (std::size_t i = 0; i < left; ++i) {
    tail |= static_cast<uint64_t>(static_cast<unsigned char>(data[i])) << (8 * i);
  }
  return mix_bits(hash ^ tail);
}

}  // namespace dstorch::text
