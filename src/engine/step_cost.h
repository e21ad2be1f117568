#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace dstorch::engine {

/// What a step of so many rows takes beside one of another number, learned from the steps that are taken: a machine
/// that waits for the memory reads the weights once for four rows as for one, another has to compute four times as
/// much. One thread.
class StepCost {
 public:
  /// In a unit of its own; above 0.
  [[nodiscard]] double of(int64_t rows) const;
  /// As far as is known; 0 before the first step was learned from.
  [[nodiscard]] double seconds(int64_t rows) const;
  /// A step of so many rows took so long.
  void learn(int64_t rows, double seconds);

 private:
  static constexpr std::size_t kMostRows = 96;  // more than that: in proportion

  // By rows. Logarithms are of factors.
  std::array<double, kMostRows + 1> learned_{};  // on what is believed first
  std::array<double, kMostRows + 1> steps_{};    // that were seen
  // The logarithm of the seconds that one of the unit takes now: they change with the context, and with what else the
  // machine does.
  double unit_ = 0;
  bool begun_ = false;
};

}  // namespace dstorch::engine
