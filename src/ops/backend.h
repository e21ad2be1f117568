#pragma once

#include <memory>
#include <span>

#include "ops/batch.h"
#include "ops/types.h"

namespace dstorch::ops {

/// The operations of a model on one kind of device, each with the contract of the op of the same name: one table a
/// device, chosen once for a forward pass. Nobody above the ops knows which kernels or shaders are behind them.
struct Backend {
  at::Tensor (*norm)(const at::Tensor& x, const NormWeights& norm);
  at::Tensor (*norm_linear)(const at::Tensor& x, const NormWeights& norm, std::span<const LinearWeights> linears);
  at::Tensor (*linear_residual)(const at::Tensor& x, const LinearWeights& linear, at::Tensor residual);
  at::Tensor (*norm_mlp)(const at::Tensor& x, const NormWeights& norm, const LinearWeights& gate,
                         const LinearWeights& up, Activation activation);
  at::Tensor (*gate)(const at::Tensor& gates, const at::Tensor& factors, Activation activation);
  at::Tensor (*attention)(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                          const Batch& batch, const LayerSlot& slot);

  /// Keeps the device for the running thread while the result lives, which must be let go on the same thread: where
  /// taking it costs as much as an op does, a forward pass takes it once. Null where nothing has to be taken.
  std::shared_ptr<void> (*hold)() = nullptr;

  /// Generates through fused kernels, in float32 but for float64 models: other ops allocate nothing.
  bool fused = false;
  /// Computes in float32 alone: weights are converted to it while loading unless another dtype was asked for, and
  /// float64 cannot be had.
  bool float32_only = false;
};

/// In a dry run (device/dry_run.h), `meta` has the operations of the device that it stands for: they take the blocks
/// that they would take there, and compute nothing. Outside of one it has LibTorch's ops.
const Backend& backend_of(const at::Device& device);

}  // namespace dstorch::ops
