#pragma once

#include "ops/types.h"

namespace dstorch::ops {

/// Norm, linear layers and their gate, which is what a feed-forward part computes before its last linear layer:
/// act(n · gateᵀ + b) * (n · upᵀ + c), where n = norm(x) (Shazeer 2020). Without `up` (an undefined weight):
/// act(n · gateᵀ + b). x [.., hidden] -> [.., ffn]. Fast path as `norm_linear`.
at::Tensor norm_linear_gate(const at::Tensor& x, const NormWeights& norm, const LinearWeights& gate,
                            const LinearWeights& up, Activation activation);

at::Tensor norm_linear_gate_reference(const at::Tensor& x, const NormWeights& norm, const LinearWeights& gate,
                                      const LinearWeights& up, Activation activation);

/// act(gates) * factors, or without `factors` (undefined) act(gates): what `norm_linear_gate` does after its products.
/// Both
/// [.., ffn]. The fast path is its own, so that a row's bits are the same.
at::Tensor gate(const at::Tensor& gates, const at::Tensor& factors, Activation activation);

at::Tensor gate_reference(const at::Tensor& gates, const at::Tensor& factors, Activation activation);

/// The activation alone, differentiable.
at::Tensor activate(const at::Tensor& x, Activation activation);

}  // namespace dstorch::ops
