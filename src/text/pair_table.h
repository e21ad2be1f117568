#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dstorch::text {

/// Pairs of neighbouring ids and what they merge to: a flat hash table with open addressing, half empty.
class PairTable {
 public:
  /// No merge; larger than every merge.
  static constexpr uint64_t kNone = UINT64_MAX;

  void reserve(std::size_t pairs) {
    std::size_t size = 16;
    bits_ = 4;
    while (size < pairs * 2) {
      size *= 2;
      ++bits_;
    }
    slots_.assign(size, Slot{});
  }

  /// At most as many different pairs as were reserved. A pair that comes again gets the new merge.
  void insert(uint32_t left, uint32_t right, uint32_t rank, uint32_t id) noexcept {
    Slot& slot = slots_[slot_of(key(left, right))];
    slot.key = key(left, right);
    slot.merge = (static_cast<uint64_t>(rank) << 32U) | id;
  }

  /// The rank in the upper half and the merged id in the lower, or kNone.
  [[nodiscard]] uint64_t find(uint32_t left, uint32_t right) const noexcept {
    return slots_[slot_of(key(left, right))].merge;
  }

 private:
  struct Slot {
    uint64_t key = 0;
    uint64_t merge = kNone;
  };

  static uint64_t key(uint32_t left, uint32_t right) noexcept { return (static_cast<uint64_t>(left) << 32U) | right; }
  [[nodiscard]] std::size_t slot_of(uint64_t wanted) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    // Fibonacci hashing: the upper bits of the product depend on all bits of the key.
    std::size_t at = ((wanted ^ (wanted >> 32U)) * 0x9E3779B97F4A7C15ULL) >> (64U - bits_);
    while (slots_[at].merge != kNone && slots_[at].key != wanted) {
      at = (at + 1) & mask;
    }
    return at;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(16);
  unsigned bits_ = 4;
};

}  // namespace dstorch::text
