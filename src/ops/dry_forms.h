#pragma once

#include <ATen/core/Tensor.h>

namespace dstorch::ops {

// What LibTorch has no form of for tensors without memory: these take the blocks that the operation takes, forward and
// backward, and compute nothing (device/dry_run.h). Tensors are on `meta`.

/// Of at::layer_norm over the last dimension: x [.., features] -> [.., features].
at::Tensor dry_layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

/// Of at::embedding: table [rows, columns], indices int64 [..] -> [.., columns].
at::Tensor dry_rows(const at::Tensor& table, const at::Tensor& indices);

}  // namespace dstorch::ops
