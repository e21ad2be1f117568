#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace dstorch::engine {

/// Guesses how a text goes on from how it went on before, where its last tokens stood already (Saxena 2023, "Prompt
/// Lookup Decoding"). One thread.
class LookupDraft {
 public:
  struct Guess {
    std::vector<int64_t> tokens;
    /// So many tokens before them are the same in both places, 2 to kLongest; 0 where there is no such place.
    int64_t matched = 0;
  };
  static constexpr int64_t kLongest = 16;

  /// What may come after `tokens`, which are those of the last call and what came since: `most` of them, at least 1.
  /// Of the places where the text ends as it does now the one counts that has most in common, and of equal ones the
  /// last.
  [[nodiscard]] Guess guess(std::span<const int64_t> tokens, int64_t most);

 private:
  /// Where the same `length` tokens ended, by these.
  struct Places {
    std::size_t length;
    std::unordered_map<uint64_t, int32_t> last{};  // by their hash: the position after them
    std::vector<int32_t> before{};                 // of each position: the place of the same hash before it, or 0
  };

  /// A position before which the text ends as it does now.
  struct Place {
    std::size_t position = 0;
    int64_t matched = 0;
  };

  void read(std::span<const int64_t> tokens);
  [[nodiscard]] static Place best_of(const Places& places, std::span<const int64_t> tokens);

  std::array<Places, 2> places_{Places{4}, Places{2}};
  std::size_t read_ = 0;  // positions that are in `places_`
};

}  // namespace dstorch::engine
