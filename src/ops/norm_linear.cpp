#include "ops/norm_linear.h"

#include "ops/norm.h"

namespace dstorch::ops {

at::Tensor linear_reference(const at::Tensor& x, const LinearWeights& linear) {
  const auto dtype = x.scalar_type();
  return at::linear(x, linear.weight.to(dtype), linear.bias.defined() ? linear.bias.to(dtype) : at::Tensor());
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
  return norm_linear_reference(x, norm, linears);
}

}  // namespace dstorch::ops
