#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dstorch::text {

/// Tokens and their ids, both ways. Immutable once filled, hence thread-safe then.
class Vocab {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  /// Ids are below it: ten times the largest vocabulary known, and little enough for a table.
  static constexpr int64_t kMaxId = int64_t{1} << 22;

  /// Throws LMError{format} for an id outside [0, kMaxId). A token that comes again gets the new id.
  void add(std::string_view token, int64_t id);

  /// The id of `token`, or kNone.
  [[nodiscard]] uint32_t find(std::string_view token) const noexcept;
  /// Empty for an id without a token.
  [[nodiscard]] std::string_view token(uint32_t id) const noexcept;
  [[nodiscard]] bool has(uint32_t id) const noexcept { return id < spans_.size() && spans_[id].known; }
  /// One more than the largest id.
  [[nodiscard]] std::size_t id_limit() const noexcept { return spans_.size(); }
  /// How many tokens there are.
  [[nodiscard]] std::size_t size() const noexcept { return entries_; }
  [[nodiscard]] std::size_t longest() const noexcept { return longest_; }

 private:
  struct Span {
    uint32_t offset = 0;
    uint32_t length : 31 = 0;
    uint32_t known : 1 = 0;
  };
  struct Slot {
    uint32_t offset = 0;
    uint32_t length = 0;
    uint32_t hash = 0;
    uint32_t id = kNone;
  };

  [[nodiscard]] std::size_t slot_of(std::string_view token, uint64_t hash) const noexcept;
  void grow();

  std::string pool_;
  std::vector<Span> spans_;
  std::vector<Slot> slots_;
  std::size_t entries_ = 0;
  std::size_t longest_ = 0;
};

}  // namespace dstorch::text
