#include "ops/norm_linear.h"

#include "ops/cpu/linear.h"
#include "ops/cpu_views.h"
#include "ops/fast_path.h"
#include "ops/norm.h"

namespace dstorch::ops {

at::Tensor linear_reference(const at::Tensor& x, const LinearWeights& linear) {
  // Dense weights are converted straight to the dtype of the product, blocks to x's dtype first.
  const auto dtype = linear.weight.format == nullptr ? product_dtype(x) : x.scalar_type();
  return at::linear(x.to(dtype), linear.weight.dense(dtype),
                    linear.bias.defined() ? linear.bias.to(dtype) : at::Tensor());
}

at::Tensor norm_linear_reference(const at::Tensor& x, const NormWeights& norm, std::span<const LinearWeights> linears) {
  const auto normed = norm_reference(x, norm);
  if (linears.size() == 1) {
    return linear_reference(normed, linears[0]);
  }
  std::vector<at::Tensor> parts;
  parts.reserve(linears.size());
  for (const auto& linear : linears) {
    parts.push_back(linear_reference(normed, linear));
  }
  return at::cat(parts, -1);
}

at::Tensor norm_linear(const at::Tensor& x, const NormWeights& norm, std::span<const LinearWeights> linears) {
  int64_t outputs = 0;
  bool fast = fast_path_allowed(x) && kernel_takes(norm, x.size(-1));
  for (const auto& linear : linears) {
    fast = fast && kernel_takes(linear, x.size(-1));
    outputs += linear.weight.rows;
  }
  if (!fast) {
    return norm_linear_reference(x, norm, linears);
  }
  const auto input = x.contiguous();
  auto y = empty_rows(input, outputs);
  if (y.is_meta()) {
    return y;
  }
  c10::SmallVector<cpu::Matrix, 4> matrices;
  for (const auto& linear : linears) {
    matrices.push_back(view_of(linear));
  }
  cpu::linear({.x = rows_of(input),
               .norm = view_of(norm),
               .matrices = {matrices.data(), matrices.size()},
               .y = y.data_ptr<float>(),
               .y_stride = outputs});
  return y;
}

}  // namespace dstorch::ops
