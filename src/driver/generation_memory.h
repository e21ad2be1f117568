#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

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

/// The bounds an engine of this model has under the config's `memory_limit` and `kv_memory`, `taken` bytes being in use
/// already; without either, keys and values may take half of the memory that is free now. `adapters`: how many are
/// attached.
engine::MemoryBounds memory_bounds(const models::ModelOutline& model, const TorchModelConfig& config, int64_t taken,
                                   std::shared_ptr<const std::atomic<int>> adapters);

}  // namespace dstorch::driver
