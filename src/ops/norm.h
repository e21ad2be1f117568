#pragma once

#include "ops/types.h"

namespace dstorch::ops {

/// RMS norm (Zhang & Sennrich 2019) or layer norm (Ba et al. 2016) over the last dimension, computed in float32 and
/// returned in x's dtype; `none` returns x. Differentiable. The composed reference, on any device.
at::Tensor norm_reference(const at::Tensor& x, const NormWeights& norm);  // [.., features] -> [.., features]

/// The same through the fused kernel where that may be used.
at::Tensor norm(const at::Tensor& x, const NormWeights& norm);

}  // namespace dstorch::ops
