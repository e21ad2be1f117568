#pragma once

#include <filesystem>
#include <optional>

#include "core/json.h"
#include "dstorch/dtype.h"

namespace dstorch::driver {

/// Copies what a model directory has beside its weights (tokenizer, chat template, ...) to another, and writes `config`
/// there as config.json. `dtype`: of the weights there, where config.json shall say another. Throws LMError{io}.
void copy_model_files(const std::filesystem::path& from, const std::filesystem::path& to, OrderedJson config,
                      const std::optional<DType>& dtype);

}  // namespace dstorch::driver
