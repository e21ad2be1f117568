#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dstorch/device.h"
#include "dstorch/dtype.h"

namespace dstorch {

struct TensorOptions {
  DType dtype = DType::float32;
  Device device{};
  bool requires_grad = false;
};

/// Bytes behind a tensor.
struct TensorMemory {
  /// Elements shown times the size of one: what a view shows, not what it hides.
  int64_t bytes = 0;
  /// The storage the tensor is a view of.
  int64_t storage_bytes = 0;
};

/// Tensors in and out of plain numbers. All functions are thread-safe and throw LMError.
struct TorchUtils {
  /// A tensor of `values` converted to `options.dtype`. `shape` defaults to [values.size()]; one dimension may be -1.
  /// Throws invalid_argument when the shape does not hold that many values, or for a gradient of integers.
  static at::Tensor create_tensor(std::span<const double> values, const std::vector<int64_t>& shape = {},
                                  const TensorOptions& options = {});
  static at::Tensor create_tensor(std::span<const float> values, const std::vector<int64_t>& shape = {},
                                  const TensorOptions& options = {});
  static at::Tensor create_tensor(std::span<const int64_t> values, const std::vector<int64_t>& shape = {},
                                  const TensorOptions& options = {.dtype = DType::int64});
  static at::Tensor create_tensor(std::span<const int32_t> values, const std::vector<int64_t>& shape = {},
                                  const TensorOptions& options = {.dtype = DType::int32});
  static at::Tensor create_tensor(std::span<const int16_t> values, const std::vector<int64_t>& shape = {},
                                  const TensorOptions& options = {.dtype = DType::int16});
  static at::Tensor create_tensor(std::span<const int8_t> values, const std::vector<int64_t>& shape = {},
                                  const TensorOptions& options = {.dtype = DType::int8});
  static at::Tensor create_tensor(std::span<const uint8_t> values, const std::vector<int64_t>& shape = {},
                                  const TensorOptions& options = {.dtype = DType::uint8});
  static at::Tensor create_tensor(std::span<const bool> values, const std::vector<int64_t>& shape = {},
                                  const TensorOptions& options = {.dtype = DType::boolean});
  static at::Tensor create_tensor(std::span<const at::Half> values, const std::vector<int64_t>& shape = {},
                                  const TensorOptions& options = {.dtype = DType::float16});
  static at::Tensor create_tensor(std::span<const at::BFloat16> values, const std::vector<int64_t>& shape = {},
                                  const TensorOptions& options = {.dtype = DType::bfloat16});

  /// The tensor on `device`; the same one when it is there already. Gradients flow through.
  static at::Tensor to_device(const at::Tensor& tensor, const Device& device);

  /// The elements in logical order, from any real dtype, device and stride; quantized and sparse tensors as the numbers
  /// they stand for. float64 holds every float dtype and integers up to 2^53 exactly. Throws invalid_argument for a
  /// tensor that is undefined, complex or without data (on LibTorch's `meta` device).
  static std::vector<double> extract_tensor_data(const at::Tensor& tensor);
  /// The same of integers and booleans, exact to the last bit. Throws invalid_argument for other dtypes.
  static std::vector<int64_t> extract_tensor_integers(const at::Tensor& tensor);

  /// Zeros for an undefined tensor. Sparse tensors, which have no storage of their own, have `storage_bytes` 0.
  static TensorMemory calculate_tensor_memory(const at::Tensor& tensor);
};

}  // namespace dstorch
