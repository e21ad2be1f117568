#pragma once

#include <cstdint>
#include <functional>

#include "dstorch/memory.h"

namespace dstorch {

/// A part of the plan, to be filled in.
inline int64_t& part(MemoryPlan& plan, MemoryKind kind) { return plan.kinds[static_cast<std::size_t>(kind)]; }

/// What `device` has free, or `limit` (0 is none) where that is less; 0 when the device does not tell.
int64_t available_memory(const Device& device, int64_t limit);

/// Fills in `available` and, among contexts of 1 .. most that `plan_of` plans for, `largest_context`.
void set_fit(MemoryPlan& plan, int64_t limit, int64_t most, const std::function<MemoryPlan(int64_t context)>& plan_of);

}  // namespace dstorch
