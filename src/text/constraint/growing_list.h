#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace dstorch::text::constraint {

/// A list that grows without moving what is in it: no single addition takes long. In blocks of `2^block_bits` elements.
template <typename T, unsigned block_bits = 10>
class GrowingList {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] T& operator[](std::size_t i) noexcept { return blocks_[i >> block_bits][i & kWithin]; }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return blocks_[i >> block_bits][i & kWithin]; }
  void push_back(T value) {
    if (size_ >> block_bits == blocks_.size()) {
      blocks_.push_back(std::make_unique<T[]>(std::size_t{1} << block_bits));
    }
    (*this)[size_++] = std::move(value);
  }

 private:
  static constexpr std::size_t kWithin = (std::size_t{1} << block_bits) - 1;

  std::vector<std::unique_ptr<T[]>> blocks_;
  std::size_t size_ = 0;
};

}  // namespace dstorch::text::constraint
