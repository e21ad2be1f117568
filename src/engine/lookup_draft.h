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
    /// How many tokens before them are the same in both places, 2 to kLongest; 0 where there is no such place.
    int64_t matched = 0;
  };
  static constexpr int64_t kLongest = 16;

  /// Guesses at most `most` (at least 1) tokens after `tokens`, which must begin with the tokens of the last call. Of
  /// the earlier places where the text ends as it does now, the one with the longest match decides; of equal ones, the
  /// last.
  [[nodiscard]] Guess guess(std::span<const int64_t> tokens, int64_t most);

 private:
  /// An index of the places where a run of `length` tokens ended, by the tokens of the run.
  struct Places {
    std::size_t length;
    std::unordered_map<uint64_t, int32_t> last{};  // hash of the run -> the position after its last place
    std::vector<int32_t> before{};                 // by position: the previous place with the same hash, or 0
  };

  /// A position whose preceding tokens equal the last tokens of the text.
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
