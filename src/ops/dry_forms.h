#pragma once

#include <ATen/core/Tensor.h>

namespace dstorch::ops {

// Operations that LibTorch lacks for tensors without memory. These allocate the blocks that the operation allocates,
// forward and backward, and compute nothing (device/dry_run.h). All tensors are on `meta`.

/// For at::layer_norm over the last dimension: x [.., features] -> [.., features].
at::Tensor dry_layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

/// For at::embedding: table [rows, columns], indices int64 [..] -> [.., columns].
at::Tensor dry_rows(const at::Tensor& table, const at::Tensor& indices);

}  // namespace dstorch::ops
