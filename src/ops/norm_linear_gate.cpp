#include "ops/norm_linear_gate.h"

#include "core/throw.h"
#include "ops/cpu/linear.h"
#include "ops/cpu_views.h"
#include "ops/fast_path.h"
#include "ops/norm.h"
#include "ops/norm_linear.h"

namespace dstorch::ops {

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::silu:
      return at::silu(x);
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::relu:
      return at::relu(x);
  }
  fail(ErrorKind::internal, "unknown activation {}", static_cast<int>(activation));
}

at::Tensor norm_linear_gate_reference(const at::Tensor& x, const NormWeights& norm, const LinearWeights& gate,
                                      const LinearWeights& up, Activation activation) {
  const auto normed = norm_reference(x, norm);
  const auto gated = activate(linear_reference(normed, gate), activation);
  return up.weight.defined() ? gated * linear_reference(normed, up) : gated;
}

at::Tensor gate_reference(const at::Tensor& gates, const at::Tensor& factors, Activation activation) {
  const auto gated = activate(gates, activation);
  return factors.defined() ? gated * factors : gated;
}

at::Tensor gate(const at::Tensor& gates, const at::Tensor& factors, Activation activation) {
  if (!fast_path_allowed(gates) || (factors.defined() && !fast_path_allowed(factors))) {
    return gate_reference(gates, factors, activation);
  }
  const auto input = gates.contiguous();
  const auto factor = factors.defined() ? factors.contiguous() : at::Tensor();
  auto y = at::empty_like(input);
  if (y.is_meta()) {
    return y;
  }
  cpu::gate({.gates = rows_of(input),
             .factors = factor.defined() ? factor.data_ptr<float>() : nullptr,
             .activation = activation,
             .y = y.data_ptr<float>()});
  return y;
}

at::Tensor norm_linear_gate(const at::Tensor& x, const NormWeights& norm, const LinearWeights& gate,
                            const LinearWeights& up, Activation activation) {
  const bool gated = up.weight.defined();
  const bool fast = fast_path_allowed(x) && kernel_takes(norm, x.size(-1)) && kernel_takes(gate, x.size(-1)) &&
                    (!gated || (kernel_takes(up, x.size(-1)) && up.weight.rows == gate.weight.rows));
  if (!fast) {
    return norm_linear_gate_reference(x, norm, gate, up, activation);
  }
  const auto input = x.contiguous();
  const auto features = gate.weight.rows;
  auto y = empty_rows(input, features);
  if (y.is_meta()) {
    return y;
  }
  cpu::linear_gate({.x = rows_of(input),
                    .norm = view_of(norm),
                    .gate = view_of(gate),
                    .up = gated ? view_of(up) : cpu::Matrix{},
                    .activation = activation,
                    .y = y.data_ptr<float>(),
                    .y_stride = features});
  return y;
}

}  // namespace dstorch::ops
