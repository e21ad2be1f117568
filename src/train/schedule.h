#pragma once

#include <cstdint>

namespace dstorch::training {

/// How the learning rate goes on after the warm-up.
enum class Decay {
  cosine,    ///< half a cosine down to the minimum (Loshchilov & Hutter 2017)
  linear,    ///< straight down to the minimum
  constant,  ///< the peak, to the end
};

/// A linear warm-up, and what follows it.
struct Schedule {
  double peak = 1e-3;
  double minimum = 1e-4;
  int64_t warmup_steps = 0;
  int64_t total_steps = 1;
  Decay decay = Decay::cosine;

  /// The learning rate of a step, counted from 0: `peak` at the end of the warm-up, `minimum` at the last step unless
  /// it is constant.
  [[nodiscard]] double at(int64_t step) const noexcept;
};

}  // namespace dstorch::training
