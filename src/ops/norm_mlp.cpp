#include "ops/norm_mlp.h"

#include "core/throw.h"
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

at::Tensor norm_mlp_reference(const at::Tensor& x, const NormWeights& norm, const LinearWeights& gate,
                              const LinearWeights& up, Activation activation) {
  const auto normed = norm_reference(x, norm);
  const auto gated = activate(linear_reference(normed, gate), activation);
  return up.weight.defined() ? gated * linear_reference(normed, up) : gated;
}

at::Tensor norm_mlp(const at::Tensor& x, const NormWeights& norm, const LinearWeights& gate, const LinearWeights& up,
                    Activation activation) {
  return norm_mlp_reference(x, norm, gate, up, activation);
}

}  // namespace dstorch::ops
