#pragma once

#include <span>

#include "ops/cpu/types.h"

namespace dstorch::ops::cpu {

/// y[r] = (residual[r]) + norm(x[r]) · Wᵀ + b for all matrices side by side: y has the sum of their rows as columns.
struct LinearCall {
  Rows x;
  Norm norm;
  std::span<const Matrix> matrices;  // [rows, x.features] each
  float* y = nullptr;
  int64_t y_stride = 0;
  const float* residual = nullptr;  // laid out as y, which it may be
};
void linear(const LinearCall& call);

/// y[r] = act(n · gateᵀ + bias) * (n · upᵀ + bias), n = norm(x[r]); without `up` (null data) the first factor alone.
struct LinearGateCall {
  Rows x;
  Norm norm;
  Matrix gate;  // [ffn, x.features]
  Matrix up;
  Activation activation = Activation::silu;
  float* y = nullptr;  // [x.count, ffn]
  int64_t y_stride = 0;
};
void linear_gate(const LinearGateCall& call);

/// y = act(gates) * factors, or without factors (null) act(gates); all laid out as `gates`, whose rows are contiguous
/// and one after the other. What `linear_gate` does after its products, to the bit.
struct GateCall {
  Rows gates;
  const float* factors = nullptr;
  Activation activation = Activation::silu;
  float* y = nullptr;
};
void gate(const GateCall& call);

/// y[r] = norm(x[r]). y may be x.data where the strides agree.
void norm(const Rows& x, const Norm& norm, float* y, int64_t y_stride);

}  // namespace dstorch::ops::cpu
