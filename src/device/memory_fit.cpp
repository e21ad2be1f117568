#include "device/memory_fit.h"

#include "device/machine_memory.h"

namespace dstorch {
namespace {

/// The longest of 1 .. most that `fits`, which holds for all up to one; 0 when none does.
int64_t largest(int64_t most, const std::function<bool(int64_t)>& fits) {
  int64_t low = 0;
  int64_t high = most + 1;
  while (high - low > 1) {
    const auto middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace

int64_t available_memory(const Device& device, int64_t limit) {
  const auto machine = machine_memory(device).available;
  return limit > 0 && (machine == 0 || limit < machine) ? limit : machine;
}

void set_fit(MemoryPlan& plan, int64_t limit, int64_t most, const std::function<MemoryPlan(int64_t)>& plan_of) {
  plan.available = available_memory(plan.device, limit);
  plan.largest_context = largest(most, [&](int64_t context) {
    auto longer = plan_of(context);
    longer.available = plan.available;
    return longer.fits();
  });
}

}  // namespace dstorch
