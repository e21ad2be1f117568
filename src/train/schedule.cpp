#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace dstorch::training {

double Schedule::at(int64_t step) const noexcept {
  const auto done = static_cast<double>(step + 1);
  const auto warmup = static_cast<double>(warmup_steps);
  if (step < warmup_steps) {
    return peak * done / warmup;
  }
  const auto progress =
      std::min(1.0, (done - warmup) / static_cast<double>(std::max<int64_t>(1, total_steps - warmup_steps)));
  switch (decay) {
    case Decay::constant:
      return peak;
    case Decay::linear:
      return minimum + (peak - minimum) * (1 - progress);
    case Decay::cosine:
      break;
  }
  return minimum + (peak - minimum) * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

}  // namespace dstorch::training
