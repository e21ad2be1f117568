#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace dstorch::engine {

/// Learns how long a step takes by its number of rows. Where memory is the limit, a step of four rows reads the weights
/// once, as a step of one does, and takes as long; where arithmetic is, it takes four times as long. One thread.
class StepCost {
 public:
  /// The cost of a step of `rows` rows in relative units; above 0.
  [[nodiscard]] double of(int64_t rows) const;
  /// The expected seconds of a step of `rows` rows; 0 before the first call of `learn`.
  [[nodiscard]] double seconds(int64_t rows) const;
  /// Learns from a step of `rows` rows that took `seconds`.
  void learn(int64_t rows, double seconds);

 private:
  static constexpr std::size_t kMostRows = 96;  // steps of more rows are taken to cost in proportion

  // By number of rows.
  std::array<double, kMostRows + 1> learned_{};  // logarithm of the factor between the cost learned and the first guess
  std::array<double, kMostRows + 1> steps_{};    // how many steps of this size were seen
  // The logarithm of the seconds per unit. It drifts with the length of the context and with what else the machine
  // does.
  double unit_ = 0;
  bool begun_ = false;
};

}  // namespace dstorch::engine
