#include "ops/linear_residual.h"

#include "ops/cpu/linear.h"
#include "ops/cpu_views.h"
#include "ops/fast_path.h"
#include "ops/norm_linear.h"

namespace dstorch::ops {

at::Tensor linear_residual_reference(const at::Tensor& x, const LinearWeights& linear, const at::Tensor& residual) {
  return residual + linear_reference(x, linear);
}

at::Tensor linear_residual(const at::Tensor& x, const LinearWeights& linear, at::Tensor residual) {
  const bool fast = fast_path_allowed(x) && fast_path_allowed(residual) && residual.is_contiguous() &&
                    kernel_takes(linear, x.size(-1)) && residual.size(-1) == linear.weight.rows &&
                    residual.numel() * x.size(-1) == x.numel() * residual.size(-1);
  if (!fast) {
    return linear_residual_reference(x, linear, residual);
  }
  const auto input = x.contiguous();
  if (input.is_meta()) {
    return residual;
  }
  const auto matrix = view_of(linear);
  auto* y = residual.data_ptr<float>();
  cpu::linear(
      {.x = rows_of(input), .norm = {}, .matrices = {&matrix, 1}, .y = y, .y_stride = matrix.rows, .residual = y});
  return residual;
}

}  // namespace dstorch::ops
