#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/pair_table.h"

namespace dstorch::text {

/// Strings with a number each, found byte by byte.
class ByteTrie {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  /// `bytes`: the length of all strings that will be added, together.
  void reserve(std::size_t bytes) { links_.reserve(bytes); }
  void add(std::string_view text, uint32_t value) {
    uint32_t node = 0;
    for (const char c : text) {
      uint32_t next = child(node, c);
      if (next == kNone) {
        next = static_cast<uint32_t>(values_.size());
        links_.insert(node, static_cast<unsigned char>(c), 0, next);
        values_.push_back(kNone);
      }
      node = next;
    }
    values_[node] = value;
  }

  /// Nodes are numbered; 0 is the root.
  [[nodiscard]] uint32_t child(uint32_t node, char c) const noexcept {
    const uint64_t link = links_.find(node, static_cast<unsigned char>(c));
    return link == PairTable::kNone ? kNone : static_cast<uint32_t>(link);
  }
  [[nodiscard]] uint32_t value(uint32_t node) const noexcept { return values_[node]; }

  /// The length of the longest string that `text` begins with, or 0.
  [[nodiscard]] std::size_t longest_prefix(std::string_view text) const noexcept {
    std::size_t longest = 0;
    uint32_t node = 0;
    for (std::size_t i = 0; i < text.size() && (node = child(node, text[i])) != kNone; ++i) {
      longest = values_[node] != kNone ? i + 1 : longest;
    }
    return longest;
  }

 private:
  PairTable links_;
  std::vector<uint32_t> values_ = {kNone};
};

}  // namespace dstorch::text
