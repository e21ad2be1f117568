#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace dstorch::engine {

/// How often the guesses of one answer come true, by how many tokens the places had in common that they were taken
/// from: more in common, more to be trusted. One thread.
class Acceptance {
 public:
  /// That a token is the guessed one, in (0, 1).
  [[nodiscard]] double chance(int64_t matched) const;
  /// It was, or was not.
  void learn(int64_t matched, bool came_true);

 private:
  struct Class {
    double true_ones;
    double all;
  };
  static std::size_t class_of(int64_t matched);

  // As if a few guesses had been seen before the first: nothing is known of an answer when it begins.
  std::array<Class, 4> classes_{{{1, 4}, {2, 4}, {2.8, 4}, {3.4, 4}}};  // 2, 3, 4 to 7, and 8 tokens or more
};

}  // namespace dstorch::engine
