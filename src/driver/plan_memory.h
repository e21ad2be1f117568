#pragma once

#include <cstdint>

#include "core/json.h"
#include "dstorch/checkpoint.h"
#include "dstorch/torch_model.h"
#include "models/causal_lm.h"

namespace dstorch::driver {

/// What a loaded language model will need of memory, found without loading it.
struct ModelOutline {
  models::ModelSizes sizes;
  DType dtype = DType::float32;
  int64_t parameters = 0;
  int64_t weight_bytes = 0;
  int64_t block_parameters = 0;
  int64_t largest_parameter = 0;
  int64_t transposed_parameters = 0;
};

/// `checkpoint` may be null: every weight is then of the config's torch_dtype.
ModelOutline outline(const TorchModelConfig& config, const Json& json,
                     const std::shared_ptr<const Checkpoint>& checkpoint);

/// For a context that is 0 the config's or the model's.
MemoryPlan plan_generation(const ModelOutline& model, const TorchModelConfig& config, int64_t context, int64_t batch);

/// Throws LMError{out_of_memory} with the plan when the weights alone are over `config.memory_limit`.
void check_limit(const TorchModelConfig& config);

}  // namespace dstorch::driver
