#pragma once

#include <ATen/ATen.h>

#include <string>

#include "dstorch/checkpoint.h"

namespace dstorch::training {

/// The bytes of a contiguous CPU tensor, for the writers; valid as long as the tensor's storage.
TensorView view_of(std::string name, const at::Tensor& tensor);

/// A copy of the bytes of a contiguous view whose dtype must be float32. Throws LMError{format} unless its shape is
/// `shape`.
at::Tensor tensor_of(const TensorView& view, at::IntArrayRef shape);

}  // namespace dstorch::training
