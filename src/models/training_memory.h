#pragma once

#include <cstdint>

#include "models/language_model.h"

namespace dstorch::models {

struct TrainingShape {
  int64_t batch = 0;
  int64_t sequence = 0;
  /// LibTorch's ops as the webgl device has them.
  bool webgl = false;
  /// Forward passes under bfloat16 autocast.
  bool bfloat16 = false;
  /// Numbers in all parameters, in those of one block, and in the largest.
  int64_t parameters = 0;
  int64_t block_parameters = 0;
  int64_t largest_parameter = 0;
  /// Numbers in the largest parameter that lies transposed in memory: saving copies one of those at a time.
  int64_t largest_transposed = 0;
  /// Of the adapters: rank, numbers in all of them and in those of one block; 0 trains the weights themselves.
  int64_t lora_rank = 0;
  /// Beside adapters: keep only what goes into each block.
  bool checkpointing = false;
  /// Threads that take parts of the step each.
  int64_t threads = 1;
  int64_t lora_parameters = 0;
  int64_t lora_block_parameters = 0;
};

/// The most of each in a step, and the most at once together with gradients and moments but without the weights; in
/// bytes.
struct TrainingMemory {
  int64_t activations = 0;
  int64_t gradients = 0;
  int64_t optimizer = 0;
  int64_t other = 0;
  int64_t together = 0;
};

/// What a step of training needs besides the weights.
TrainingMemory training_memory(const ModelSizes& sizes, const TrainingShape& shape);

}  // namespace dstorch::models
