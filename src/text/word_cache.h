#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "text/hash.h"

namespace dstorch::text {

/// Remembers the ids of short words. Of fixed size: a new word takes the place of another one. One thread at a time.
class WordCache {
 public:
  static constexpr std::size_t kMaxBytes = 26;
  static constexpr std::size_t kMaxIds = 8;

  /// The ids of `word`, or an empty span. Valid until the next `insert`.
  [[nodiscard]] std::span<const uint32_t> find(std::string_view word) const noexcept {
    if (word.size() > kMaxBytes || entries_.empty()) {
      return {};
    }
    const uint64_t hash = hash_bytes(word);
    const Entry& entry = entries_[hash & (kEntries - 1)];
    if (entry.hash == static_cast<uint32_t>(hash >> 32U) && entry.length == word.size() &&
        std::memcmp(entry.word, word.data(), word.size()) == 0) {
      return {entry.ids, entry.count};
    }
    return {};
  }

  void insert(std::string_view word, std::span<const uint32_t> ids) {
    if (word.empty() || word.size() > kMaxBytes || ids.empty() || ids.size() > kMaxIds) {
      return;
    }
    if (entries_.empty()) {
      entries_.resize(kEntries);
    }
    const uint64_t hash = hash_bytes(word);
    Entry& entry = entries_[hash & (kEntries - 1)];
    entry.hash = static_cast<uint32_t>(hash >> 32U);
    entry.length = static_cast<uint8_t>(word.size());
    entry.count = static_cast<uint8_t>(ids.size());
    std::memcpy(entry.word, word.data(), word.size());
    std::memcpy(entry.ids, ids.data(), ids.size_bytes());
  }

 private:
  static constexpr std::size_t kEntries = std::size_t{1} << 15;

  // One cache line.
  struct alignas(64) Entry {
    uint32_t hash = 0;
    uint8_t length = 0;
    uint8_t count = 0;
    char word[kMaxBytes] = {};
    uint32_t ids[kMaxIds] = {};
  };
  static_assert(sizeof(Entry) == 64);

  std::vector<Entry> entries_;
};

}  // namespace dstorch::text
