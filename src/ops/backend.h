#pragma once

#include <memory>
#include <span>

#include "ops/batch.h"
#include "ops/types.h"

namespace dstorch::ops {

/// The operations of a model on one kind of device: a table of functions, each with the contract of the op of the same
/// name (ops/NAME.h). There is one table per device, chosen once for a forward pass; nothing above `ops` knows which
/// kernels or shaders are behind it.
struct Backend {
  at::Tensor (*norm)(const at::Tensor& x, const NormWeights& norm);
  at::Tensor (*norm_linear)(const at::Tensor& x, const NormWeights& norm, std::span<const LinearWeights> linears);
  at::Tensor (*linear_residual)(const at::Tensor& x, const LinearWeights& linear, at::Tensor residual);
  at::Tensor (*norm_linear_gate)(const at::Tensor& x, const NormWeights& norm, const LinearWeights& gate,
                                 const LinearWeights& up, Activation activation);
  at::Tensor (*gate)(const at::Tensor& gates, const at::Tensor& factors, Activation activation);
  at::Tensor (*attention)(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                          const Batch& batch, const LayerSlot& slot);

  /// Locks the device for the calling thread while the result lives, which must be destroyed on the same thread. For
  /// devices where locking costs as much as an op does: a forward pass then locks once. Null where nothing has to be
  /// locked.
  std::shared_ptr<void> (*hold)() = nullptr;

  /// Whether a row of a generating model gets the same bits whatever else is in its batch. The kernels see to that;
  /// LibTorch's products do not, which float64 models use everywhere.
  bool exact_rows = false;
  /// Whether the device computes in float32 only: weights are converted to it while loading unless another dtype is
  /// asked for, and float64 is refused.
  bool float32_only = false;
};

/// The table of `device`. In a dry run (device/dry_run.h), `meta` has the table of the device that it stands for: its
/// operations then allocate the blocks that they would allocate there and compute nothing. Outside of a dry run `meta`
/// has the composed references. Thread-safe.
const Backend& backend_of(const at::Device& device);

}  // namespace dstorch::ops
