#pragma once

#include <ATen/core/Tensor.h>

namespace dstorch::training {

/// The number in a tensor of one; 0 in a dry run (device/dry_run.h), where there are none.
inline double value_of(const at::Tensor& scalar) { return scalar.is_meta() ? 0.0 : scalar.item<double>(); }

}  // namespace dstorch::training
