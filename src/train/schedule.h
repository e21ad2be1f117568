#pragma once

#include <cstdint>

namespace dstorch::training {

/// Linear warm-up, then half a cosine (Loshchilov & Hutter 2017).
struct Schedule {
  double peak = 1e-3;
  double minimum = 1e-4;
  int64_t warmup_steps = 0;
  int64_t total_steps = 1;

  /// The learning rate of a step, counted from 0: `peak` at the end of the warm-up, `minimum` at the last step.
  [[nodiscard]] double at(int64_t step) const noexcept;
};

}  // namespace dstorch::training
