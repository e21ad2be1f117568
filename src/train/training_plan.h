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
  /// What learns: all weights from nothing, as `train` does it; all weights of a model that is there, or adapters
  /// beside them, as `finetune` does it.
  Training training = Training::full;
  /// Of the adapters, which are on every linear layer of the blocks.
  int64_t lora_rank = 8;
  /// Fine-tuning alone: see FinetuneOptions::checkpointing.
  bool checkpointing = false;
  /// Fine-tuning alone: how many parts of a batch are learned side by side.
  int64_t threads = 1;
};

/// What a run takes at most, found in a dry run (device/dry_run.h) of its first weights, a step and saving. `config` is
/// the model's config.json; `checkpoint`, which may be null, tells of its weights what that leaves open.
MemoryPlan plan_training(const Json& config, const std::shared_ptr<const Checkpoint>& checkpoint,
                         const PlannedRun& run);

}  // namespace dstorch::training
