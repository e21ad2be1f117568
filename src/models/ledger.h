#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "dstorch/memory.h"

namespace dstorch::models {

/// Bytes of an element: float32, float16 or bfloat16, int64.
inline constexpr int64_t kFloat = 4;
inline constexpr int64_t kHalf = 2;
inline constexpr int64_t kIndex = 8;

/// Adds up blocks as they would come and go, and remembers the most there was.
class Ledger {
 public:
  /// A block that is there as long as this lives.
  class Block {
   public:
    Block() = default;
    Block(Ledger& ledger, MemoryKind kind, int64_t bytes) : ledger_(&ledger), kind_(kind), bytes_(bytes) {
      ledger.add(kind, bytes);
    }
    Block(Block&& other) noexcept { swap(other); }
    Block& operator=(Block&& other) noexcept {
      Block(std::move(other)).swap(*this);
      return *this;
    }
    ~Block() { release(); }
    void release() {
      if (ledger_ != nullptr) {
        ledger_->add(kind_, -bytes_);
        ledger_ = nullptr;
      }
    }

   private:
    void swap(Block& other) noexcept {
      std::swap(ledger_, other.ledger_);
      std::swap(kind_, other.kind_);
      std::swap(bytes_, other.bytes_);
    }
    Ledger* ledger_ = nullptr;
    MemoryKind kind_ = MemoryKind::other;
    int64_t bytes_ = 0;
  };

  [[nodiscard]] Block take(int64_t bytes, MemoryKind kind = MemoryKind::activations) { return {*this, kind, bytes}; }
  [[nodiscard]] int64_t peak(MemoryKind kind) const { return peaks_[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] int64_t peak() const { return total_peak_; }

 private:
  void add(MemoryKind kind, int64_t bytes) {
    const auto index = static_cast<std::size_t>(kind);
    now_[index] += bytes;
    peaks_[index] = std::max(peaks_[index], now_[index]);
    total_ += bytes;
    total_peak_ = std::max(total_peak_, total_);
  }

  std::array<int64_t, kMemoryKinds> now_{};
  std::array<int64_t, kMemoryKinds> peaks_{};
  int64_t total_ = 0;
  int64_t total_peak_ = 0;
};

}  // namespace dstorch::models
