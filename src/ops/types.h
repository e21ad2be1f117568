#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "ops/cpu/types.h"
#include "ops/weight.h"

namespace dstorch::ops {

/// A linear layer's parameters: y = x · weightᵀ + bias. References to the module's tensors.
struct LinearWeights {
  Weight weight;    // [out, in]
  at::Tensor bias;  // [out], or undefined
};

/// The norm that is applied to the features before a linear layer.
struct NormWeights {
  NormKind kind = NormKind::none;
  at::Tensor weight;  // [features]
  at::Tensor bias;    // [features], or undefined
  double eps = 1e-5;
  /// Added to each number of `weight`: 1 where a model stores how far they are from 1 (Gemma).
  double offset = 0;
};

/// Rotary embedding angles (Su et al. 2021), one row a position. Undefined tensors: no rotation.
struct RopeTable {
  at::Tensor cos;  // float32 [positions, rotary_dim / 2]
  at::Tensor sin;  // float32 [positions, rotary_dim / 2]
};

/// The settings of one attention layer.
struct AttentionConfig {
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  /// Multiplies q·k, usually 1 / sqrt(head_dim).
  double scale = 1.0;
  /// Scores x become cap * tanh(x / cap), which keeps them between -cap and cap; 0 leaves them.
  double cap = 0;
  /// A position attends to the last this many positions, itself included; 0 is all.
  int64_t sliding_window = 0;
  /// RMS norm over head_dim of each query and key head, before the rotation (Qwen3); `none` for the others.
  NormWeights query_norm;
  NormWeights key_norm;
};

}  // namespace dstorch::ops
