#pragma once

#include <span>

#include "ops/types.h"

namespace dstorch::ops {

/// Norm, then several linear layers side by side: concat_i(norm(x) · W_iᵀ + b_i).
/// x [.., in] -> [.., sum of outs]. Without a norm and with one layer it is a plain linear layer (the head).
///
/// Fast path (CPU, no gradient): float32 x; float32, bfloat16 or float16 weights, rows contiguous. Sums are float32, in
/// an order that depends on nothing but `in`: a row's result is the same alone as in a batch, on any number of threads.
/// Where the processor multiplies bfloat16 and all weights are, norm(x) is rounded to it (ops/cpu/bf16_product.h).
at::Tensor norm_linear(const at::Tensor& x, const NormWeights& norm, std::span<const LinearWeights> linears);

/// The composed form, on any device, differentiable. float32 x with narrower weights multiplies in float32.
at::Tensor norm_linear_reference(const at::Tensor& x, const NormWeights& norm, std::span<const LinearWeights> linears);

/// x · Wᵀ + b in x's dtype. The composed form that the other references are made of.
at::Tensor linear_reference(const at::Tensor& x, const LinearWeights& linear);

}  // namespace dstorch::ops
