#pragma once

#include "ops/types.h"

namespace dstorch::ops {

/// residual + x · Wᵀ + b: x [.., in], residual [.., out] -> [.., out]. The fast path (conditions as `norm_linear`)
/// writes into `residual` and returns it, so do not use `residual` afterwards.
at::Tensor linear_residual(const at::Tensor& x, const LinearWeights& linear, at::Tensor residual);

at::Tensor linear_residual_reference(const at::Tensor& x, const LinearWeights& linear, const at::Tensor& residual);

}  // namespace dstorch::ops
