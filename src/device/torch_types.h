#pragma once

#include <ATen/ATen.h>

#include "dstorch/device.h"
#include "dstorch/dtype.h"

namespace dstorch {

/// LibTorch's words for ours. Throws LMError{unsupported} for a dtype this LibTorch has no tensor of.
at::Device to_torch(const Device& device);
at::ScalarType to_torch(DType dtype);
/// Throws LMError{unsupported} for quantized and other types no checkpoint holds.
DType from_torch(at::ScalarType type);

}  // namespace dstorch
