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
  /// Layer norms, and what else LibTorch has as one op, are several here; memory plans count them.
  bool stepwise_norms = false;
  /// Whether attention over pages of float32 makes no scores in memory, for pages of [kv_heads, positions, head_dim].
  bool (*attention_without_scores)(int64_t kv_heads, int64_t positions, int64_t head_dim);
};

const Backend& backend_of(const at::Device& device);

}  // namespace dstorch::ops
