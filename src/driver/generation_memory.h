#pragma once

#include <cstdint>
#include <memory>

#include "device/memory_account.h"
#include "dstorch/torch_model.h"
#include "engine/engine_config.h"
#include "models/outline.h"

namespace dstorch::driver {

/// What keys and values are kept in: `config.kv_dtype`, else that of the weights where it is a floating-point type of
/// the kernels, else float32. Throws LMError{unsupported} where the device has no such pages.
at::ScalarType kv_dtype(const TorchModelConfig& config, DType weights);

/// For a context that is 0 the config's or the model's.
MemoryPlan plan_generation(const models::ModelOutline& model, const TorchModelConfig& config, int64_t context,
                           int64_t batch);

/// The bounds an engine of this model has under the config's `memory_limit` and `kv_memory`; without either, keys and
/// values may take half of the memory that is free now. `account` counts the model's memory: what is in it now is taken
/// off the limit, and weights that come later (adapters) are counted with each pass. Null: nothing is taken.
engine::MemoryBounds memory_bounds(const models::ModelOutline& model, const TorchModelConfig& config,
                                   const std::shared_ptr<const MemoryAccount>& account);

}  // namespace dstorch::driver
