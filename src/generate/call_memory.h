#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "device/memory_budget.h"
#include "dstorch/device.h"
#include "dstorch/dtype.h"
#include "models/pass_memory.h"

namespace dstorch::generate {

struct Engine;

/// What a call with `positions` positions, of which `prompt` are given, takes of a model in this dtype on this device.
models::GenerationMemory call_memory(const models::ModelSizes& sizes, DType dtype, const Device& device, int64_t prompt,
                                     int64_t positions);

/// The limit a model's calls share.
struct CallLimit {
  CallLimit(int64_t limit, int64_t weights) : budget(limit, weights) {}
  MemoryBudget budget;
  DType dtype = DType::float32;
  Device device;
  /// Says what a call of so many positions needs.
  std::function<std::string(int64_t positions)> plan;
};

/// The memory of a call, promised before it allocates. Throws LMError{out_of_memory} with the plan when the engine's
/// limit would be passed; does nothing without a limit.
MemoryBudget::Reservation reserve_call(Engine& engine, int64_t prompt, int64_t positions);

}  // namespace dstorch::generate
