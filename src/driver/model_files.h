#pragma once

#include <filesystem>
#include <optional>

#include "dstorch/dtype.h"

namespace dstorch::driver {

/// Copies what a model directory has beside its weights (config, tokenizer, chat template, ...) to another. `dtype`: of
/// the weights there, for config.json. Throws LMError{io}.
void copy_model_files(const std::filesystem::path& from, const std::filesystem::path& to,
                      const std::optional<DType>& dtype);

}  // namespace dstorch::driver
