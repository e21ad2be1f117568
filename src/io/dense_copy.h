#pragma once

#include <functional>

#include "dstorch/checkpoint.h"

namespace dstorch {

/// Hands the elements of `view` (checked, any strides) to `sink` in row-major order, piece by piece, with no more than
/// a small buffer of memory.
void for_each_dense_piece(const TensorView& view, const std::function<void(std::span<const std::byte>)>& sink);

}  // namespace dstorch
