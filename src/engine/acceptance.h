#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace dstorch::engine {

/// How often the guesses of one answer come true. Guesses are counted in four classes by how strong the evidence for
/// them is, the weakest first. For one thread.
class Acceptance {
 public:
  struct Class {
    double true_ones;
    double all;
  };
  /// `first`: the counts to begin with, since nothing is known about an answer when it begins.
  explicit Acceptance(const std::array<Class, 4>& first) : first_(first), classes_(first) {}

  /// The probability, in (0, 1), that a guess of this class comes true.
  [[nodiscard]] double chance(std::size_t of_class) const;
  /// The same for a guess of any class, weighted by how often each class has occurred.
  [[nodiscard]] double chance() const;
  /// Counts one guess of this class that came true, or did not.
  void learn(std::size_t of_class, bool came_true);
  /// A token came without a guess: what was learned drifts a little back towards the counts it began with.
  void fade();

 private:
  std::array<Class, 4> first_;
  std::array<Class, 4> classes_;
};

}  // namespace dstorch::engine
