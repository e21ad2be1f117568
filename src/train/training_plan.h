#pragma once

#include <cstdint>
#include <memory>

#include "core/json.h"
#include "dstorch/checkpoint.h"
#include "dstorch/memory.h"

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

/// What a run takes at most, found in a dry run (device/dry_run.h) of its first weights, a step and saving. `config` is
/// the model's config.json; `checkpoint`, which may be null, tells of its weights what that leaves open.
MemoryPlan plan_training(const Json& config, const std::shared_ptr<const Checkpoint>& checkpoint,
                         const PlannedRun& run);

}  // namespace dstorch::training
