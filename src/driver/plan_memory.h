#pragma once

#include <cstdint>

#include "core/json.h"
#include "dstorch/checkpoint.h"
#include "dstorch/torch_model.h"
#include "models/outline.h"

namespace dstorch::driver {

/// `checkpoint` may be null: every weight is then of the config's torch_dtype.
models::ModelOutline outline(const TorchModelConfig& config, const Json& json,
                             const std::shared_ptr<const Checkpoint>& checkpoint);

/// Throws LMError{out_of_memory} with the plan when the weights alone are over `config.memory_limit`.
void check_limit(const TorchModelConfig& config);

}  // namespace dstorch::driver
