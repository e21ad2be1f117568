#pragma once

#include <cstdint>

#include "models/language_model.h"

namespace dstorch::models {

/// One pass of a generating model. Sizes in bytes are those of one element.
struct PassShape {
  /// Rows that go through the layers, and the positions of the longest sequence among them.
  int64_t rows = 0;
  int64_t positions = 0;
  /// Sequences that want logits after it.
  int64_t sequences = 1;
  int64_t weight_size = 4;
  int64_t kv_size = 4;
  /// Through the CPU's kernels, rather than LibTorch's ops one by one.
  bool fused = true;
  /// Norms of several steps, as the webgl device has them.
  bool stepwise_norms = false;
  /// Scores, softmax and values in one shader.
  bool attention_shader = false;
};

/// The most bytes a pass and the logits after it take at once, besides weights, keys and values: the blocks the code
/// allocates, in its order.
int64_t pass_memory(const ModelSizes& sizes, const PassShape& shape);

/// Bytes of the rotation tables of a model for so many positions: kept from then on, and the most while they grow.
struct TableMemory {
  int64_t kept = 0;
  int64_t peak = 0;
};
TableMemory table_memory(const ModelSizes& sizes, int64_t positions);

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
