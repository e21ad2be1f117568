#include "device/memory_fit.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "device/machine_memory.h"

namespace dstorch {
namespace {

/// A context, and by how much its total is over what there is.
struct Point {
  int64_t context = 0;
  double excess = 0;
};

/// Where between `low`, which fits, and `high`, which does not, totals pass what there is: on the parabola through both
/// and `other`, which attention makes of them, or without `other` on a line.
int64_t crossing(const Point& low, const Point& high, const std::optional<Point>& other) {
  const auto width = static_cast<double>(high.context - low.context);
  const auto slope = (high.excess - low.excess) / width;
  auto distance = -low.excess / slope;  // from `low`
  if (other) {
    const auto to_low = static_cast<double>(other->context - low.context);
    const auto to_high = static_cast<double>(other->context - high.context);
    const auto bend = ((other->excess - low.excess) / to_low - slope) / to_high;
    // bend * d^2 + tilt * d + low.excess = 0
    const auto tilt = slope - bend * width;
    const auto root = std::sqrt(std::max(tilt * tilt - 4 * bend * low.excess, 0.0));
    const auto sum = tilt + std::copysign(root, tilt);
    const auto found = sum == 0 ? distance : -2 * low.excess / sum;
    distance = found >= 0 && found <= width ? found : distance;
  }
  return low.context + static_cast<int64_t>(distance);
}

/// Of contexts of 1 .. most, whose totals do not fall, the longest with one within `available`; 0 when none is. A total
/// costs a dry run: it is looked for where it should be, and now and then in the middle, should it lie elsewhere.
int64_t largest(int64_t most, int64_t available, const std::function<int64_t(int64_t)>& total_of) {
  constexpr int kTrusting = 4;
  const auto at = [&](int64_t context) { return Point{context, static_cast<double>(total_of(context) - available)}; };
  auto high = at(most);
  if (high.excess <= 0) {
    return most;
  }
  auto low = most > 1 ? at(1) : high;
  if (low.excess > 0) {
    return 0;
  }
  std::optional<Point> other;
  for (int tries = 1; high.context - low.context > 1; ++tries) {
    const bool halve = tries > kTrusting && tries % 2 == 1;
    const auto guess = halve ? low.context + (high.context - low.context) / 2 : crossing(low, high, other);
    const auto point = at(std::clamp(guess, low.context + 1, high.context - 1));
    other = std::exchange(point.excess <= 0 ? low : high, point);
  }
  return low.context;
}

}  // namespace

int64_t available_memory(const Device& device, int64_t limit) {
  const auto machine = machine_memory(device).available;
  return limit > 0 && (machine == 0 || limit < machine) ? limit : machine;
}

void set_fit(MemoryPlan& plan, int64_t limit, int64_t most, const std::function<MemoryPlan(int64_t)>& plan_of) {
  plan.available = available_memory(plan.device, limit);
  plan.largest_context = plan.available == 0
                             ? most
                             : largest(most, plan.available, [&](int64_t context) { return plan_of(context).total; });
}

}  // namespace dstorch
