#pragma once

#include "ops/types.h"

namespace dstorch::ops {

/// The first half of a feed-forward block. With `up` (gated, Shazeer 2020): act(n · gateᵀ) * (n · upᵀ); without (an
/// undefined weight): act(n · gateᵀ + b), where n = norm(x). x [.., hidden] -> [.., ffn]. Fast path as `norm_linear`.
at::Tensor norm_mlp(const at::Tensor& x, const NormWeights& norm, const LinearWeights& gate, const LinearWeights& up,
                    Activation activation);

at::Tensor norm_mlp_reference(const at::Tensor& x, const NormWeights& norm, const LinearWeights& gate,
                              const LinearWeights& up, Activation activation);

/// act(gates) * factors, or without `factors` (undefined) act(gates): what `norm_mlp` does after its products. Both
/// [.., ffn]. The fast path is its own, so that a row's bits are the same.
at::Tensor gate(const at::Tensor& gates, const at::Tensor& factors, Activation activation);

at::Tensor gate_reference(const at::Tensor& gates, const at::Tensor& factors, Activation activation);

/// The activation alone, differentiable.
at::Tensor activate(const at::Tensor& x, Activation activation);

}  // namespace dstorch::ops
