#pragma once

#include <ATen/ATen.h>

#include <string>

#include "dstorch/checkpoint.h"
#include "io/deferred_tensor.h"

namespace dstorch::training {

/// The bytes of a contiguous CPU tensor, without a name; valid as long as the tensor's storage. Throws
/// LMError{internal} for a dtype that models do not have.
TensorView view_of(const at::Tensor& tensor);

/// `tensor`, of any device, to be saved as `type`: brought to the CPU, and converted, when it is written.
DeferredTensor to_be_saved(std::string name, const at::Tensor& tensor, at::ScalarType type);

/// A copy of the bytes of a contiguous view whose dtype must be float32. Throws LMError{format} unless its shape is
/// `shape`.
at::Tensor tensor_of(const TensorView& view, at::IntArrayRef shape);

}  // namespace dstorch::training
