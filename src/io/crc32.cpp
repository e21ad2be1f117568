#include "io/crc32.h"

#include <array>
#include <bit>
#include <cstring>

namespace dstorch {
namespace {

static_assert(std::endian::native == std::endian::little);

using Table = std::array<std::array<uint32_t, 256>, 8>;

/// Row k: the effect of a byte that k more bytes follow, so that eight bytes take eight independent look-ups.
constexpr Table make_table() {
  Table table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1U) ^ ((value & 1U) != 0 ? 0xEDB88320U : 0U);
    }
    table[0][i] = value;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t i = 0; i < 256; ++i) {
      table[k][i] = (table[k - 1][i] >> 8U) ^ table[0][table[k - 1][i] & 0xFFU];
    }
  }
  return table;
}

constexpr Table kTable = make_table();

}  // namespace

uint32_t crc32(std::span<const std::byte> bytes, uint32_t before) noexcept {
  uint32_t crc = ~before;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof(word));
    word ^= crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k) {
      crc ^= kTable[7 - k][(word >> (8 * k)) & 0xFFU];
    }
  }
  for (const auto byte : bytes) {
    crc = (crc >> 8U) ^ kTable[0][(crc ^ static_cast<uint32_t>(byte)) & 0xFFU];
  }
  return ~crc;
}

}  // namespace dstorch
