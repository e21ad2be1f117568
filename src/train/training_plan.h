#pragma once

#include <cstdint>

#include "dstorch/memory.h"
#include "models/outline.h"

namespace dstorch::training {

/// A run to plan for.
struct PlannedRun {
  Device device{};
  int64_t memory_limit = 0;  ///< 0 is none
  int64_t batch = 8;
  int64_t sequence = 256;
  /// Forward passes under bfloat16 autocast.
  bool bfloat16 = false;
  /// Adapters of this rank on every product of the blocks are trained; 0 trains the weights themselves.
  int64_t lora_rank = 0;
  bool checkpointing = false;
  /// Of adapters: they learn side by side.
  int64_t threads = 1;
};

/// What a step of it takes at most.
MemoryPlan plan_training(const models::ModelOutline& model, const PlannedRun& run);

}  // namespace dstorch::training
