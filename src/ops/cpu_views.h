#pragma once

// What the CPU kernels see of tensors, and whether they can take them. In a dry run they are asked whether they would,
// and not called.

#include "device/torch_types.h"
#include "ops/cpu/types.h"
#include "ops/fast_path.h"
#include "ops/types.h"

namespace dstorch::ops {

inline bool kernel_takes_dtype(at::ScalarType type) {
  return type == at::kFloat || type == at::kBFloat16 || type == at::kHalf;
}

/// A vector of `size` elements, or none.
inline bool kernel_takes_vector(const at::Tensor& vector, int64_t size) {
  return !vector.defined() || (is_for_cpu(vector) && kernel_takes_dtype(vector.scalar_type()) &&
                               vector.numel() == size && vector.is_contiguous());
}

inline bool kernel_takes(const LinearWeights& linear, int64_t features) {
  const auto& data = linear.weight.data;
  return linear.weight.format == nullptr && is_for_cpu(data) && kernel_takes_dtype(data.scalar_type()) &&
         data.dim() == 2 && data.size(1) == features && data.stride(1) == 1 &&
         kernel_takes_vector(linear.bias, data.size(0));
}

inline bool kernel_takes(const NormWeights& norm, int64_t features) {
  return norm.kind == NormKind::none ||
         (kernel_takes_vector(norm.weight, features) && kernel_takes_vector(norm.bias, features));
}

inline cpu::Vector view_of_vector(const at::Tensor& vector) {
  return vector.defined() ? cpu::Vector{vector.data_ptr(), from_torch(vector.scalar_type())} : cpu::Vector{};
}

inline cpu::Matrix view_of(const LinearWeights& linear) {
  const auto& data = linear.weight.data;
  return {data.data_ptr(), from_torch(data.scalar_type()), data.size(0), data.stride(0), view_of_vector(linear.bias)};
}

/// A norm other than layer norm has no bias, whatever the weights hold.
inline cpu::Norm view_of(const NormWeights& norm) {
  return {norm.kind, view_of_vector(norm.weight),
          norm.kind == NormKind::layer ? view_of_vector(norm.bias) : cpu::Vector{}, static_cast<float>(norm.eps),
          static_cast<float>(norm.offset)};
}

/// The rows of a contiguous float32 tensor [.., features].
inline cpu::Rows rows_of(const at::Tensor& x) {
  const auto features = x.size(-1);
  return {x.data_ptr<float>(), features == 0 ? 0 : x.numel() / features, features, features};
}

/// float32 [.., outputs] beside x [.., features], contents undefined.
inline at::Tensor empty_rows(const at::Tensor& x, int64_t outputs) {
  c10::SmallVector<int64_t, 5> sizes(x.sizes().begin(), x.sizes().end());
  sizes.back() = outputs;
  return at::empty(sizes, x.options());
}

}  // namespace dstorch::ops
