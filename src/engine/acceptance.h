#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace dstorch::engine {

/// How often the guesses of one answer come true, by what speaks for them: four classes, from those that are trusted
/// least on. One thread.
class Acceptance {
 public:
  struct Class {
    double true_ones;
    double all;
  };
  /// As if these had been seen before the first guess: nothing is known of an answer when it begins.
  explicit Acceptance(const std::array<Class, 4>& first) : first_(first), classes_(first) {}

  /// That a token of the class is the guessed one, in (0, 1).
  [[nodiscard]] double chance(std::size_t of_class) const;
  /// The same of any token, of the classes as they came.
  [[nodiscard]] double chance() const;
  /// It was, or was not.
  void learn(std::size_t of_class, bool came_true);
  /// A token came that was not guessed: what is known is a little less so.
  void fade();

 private:
  std::array<Class, 4> first_;
  std::array<Class, 4> classes_;
};

}  // namespace dstorch::engine
