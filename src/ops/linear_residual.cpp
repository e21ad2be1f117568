#include "ops/linear_residual.h"

#include "ops/norm_linear.h"

namespace dstorch::ops {

at::Tensor linear_residual_reference(const at::Tensor& x, const LinearWeights& linear, const at::Tensor& residual) {
  return residual + linear_reference(x, linear);
}

at::Tensor linear_residual(const at::Tensor& x, const LinearWeights& linear, at::Tensor residual) {
  return linear_residual_reference(x, linear, residual);
}

}  // namespace dstorch::ops
