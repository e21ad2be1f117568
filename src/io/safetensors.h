#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "io/tensor_table.h"

namespace dstorch {

/// Reads the header of a safetensors file (https://github.com/huggingface/safetensors#format). As the reference
/// implementation, it wants the tensors to cover the data exactly: no holes, no overlaps.
/// Throws LMError: format, unsupported (types that the reference implementation does not have either).
TensorTable read_safetensors(std::span<const std::byte> file, std::string_view where);

/// safetensors' name of a type, e.g. "BF16".
std::string_view safetensors_name(DType dtype) noexcept;
std::optional<DType> parse_safetensors_dtype(std::string_view name) noexcept;

}  // namespace dstorch
