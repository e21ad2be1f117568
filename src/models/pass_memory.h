#pragma once

#include <cstdint>

#include "models/causal_lm.h"

namespace dstorch::models {

/// How sequences will be generated. Sizes in bytes are those of one element.
struct GenerationShape {
  /// Positions of a sequence, prompt and answer together.
  int64_t context = 0;
  /// Positions of the prompt, and the most that go through the layers in one pass.
  int64_t prompt = 0;
  int64_t chunk = 0;
  int64_t weight_size = 4;
  int64_t cache_size = 4;
  /// Through the CPU's kernels, rather than LibTorch's ops one by one.
  bool fused = true;
  /// LibTorch's ops as the webgl device has them.
  bool webgl = false;
  /// There: scores, softmax and values in one shader.
  bool attention_shader = false;
};

/// In bytes.
struct GenerationMemory {
  int64_t kv_cache = 0;
  /// While its own pass runs: one call at a time does.
  int64_t activations = 0;
  /// What a call holds between passes: its newest hidden states and logits.
  int64_t held = 0;
  /// Tables of the model, shared by all calls.
  int64_t tables = 0;
  /// The most of these while they grow.
  int64_t tables_peak = 0;
};

/// What one call needs besides the weights: the blocks the code allocates, in its order.
GenerationMemory generation_memory(const ModelSizes& sizes, const GenerationShape& shape);

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
  /// Bytes of a number in the weights below adapters, which are widened to float32 for each product.
  int64_t weight_size = 4;
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
