#include "dstorch/torch_utils.h"

#include <fmt/ranges.h>

#include "core/throw.h"
#include "device/torch_types.h"

namespace dstorch {
namespace {

/// `shape` with its -1 filled in, checked against `count` values.
std::vector<int64_t> checked_shape(std::vector<int64_t> shape, std::size_t count) {
  const auto values = static_cast<int64_t>(count);
  if (shape.empty()) {
    return {values};
  }
  int64_t known = 1;
  int64_t* open = nullptr;
  bool valid = true;
  for (auto& size : shape) {
    if (size == -1) {
      valid = valid && open == nullptr;
      open = &size;
    } else {
      valid = valid && size >= 0 && !__builtin_mul_overflow(known, size, &known);
    }
  }
  if (valid && open != nullptr) {
    valid = known > 0 && values % known == 0;
    if (valid) {
      const int64_t rest = values / known;
      known *= rest;
      *open = rest;
    }
  }
  require(valid && known == values, ErrorKind::invalid_argument, "[create_tensor] shape [{}] must hold {} values",
          fmt::join(shape, ", "), values);
  return shape;
}

template <typename T>
at::Tensor create(std::span<const T> values, const std::vector<int64_t>& shape, const TensorOptions& options) {
  const auto dtype = to_torch(options.dtype);
  require(!options.requires_grad || at::isFloatingType(dtype), ErrorKind::invalid_argument,
          "[create_tensor] requires_grad needs a floating-point dtype, got {}", to_string(options.dtype));
  const auto sizes = checked_shape(shape, values.size());
  auto tensor = at::empty(sizes, at::TensorOptions().dtype(c10::CppTypeToScalarType<T>::value));
  std::copy(values.begin(), values.end(), tensor.template data_ptr<T>());
  tensor =
      tensor.to(dtype).to(to_torch(options.device));  // converted here: a device need not know the type it comes in
  return tensor.set_requires_grad(options.requires_grad);
}

template <typename T>
std::vector<T> elements(const at::Tensor& tensor, const char* caller) {
  require(tensor.defined() && !tensor.is_complex() && !tensor.is_meta(), ErrorKind::invalid_argument,
          "[{}] the tensor must be defined, real and have data", caller);
  auto plain = tensor.detach();
  plain = plain.layout() == at::kStrided ? plain : plain.to_dense();
  plain = plain.is_quantized() ? plain.dequantize() : plain;
  const auto flat = plain.to(at::kCPU).to(c10::CppTypeToScalarType<T>::value).contiguous();
  const auto* data = flat.template data_ptr<T>();
  return {data, data + flat.numel()};
}

}  // namespace

at::Tensor TorchUtils::create_tensor(std::span<const double> values, const std::vector<int64_t>& shape,
                                     const TensorOptions& options) {
  return create(values, shape, options);
}

at::Tensor TorchUtils::create_tensor(std::span<const float> values, const std::vector<int64_t>& shape,
                                     const TensorOptions& options) {
  return create(values, shape, options);
}

at::Tensor TorchUtils::create_tensor(std::span<const int64_t> values, const std::vector<int64_t>& shape,
                                     const TensorOptions& options) {
  return create(values, shape, options);
}

at::Tensor TorchUtils::create_tensor(std::span<const int32_t> values, const std::vector<int64_t>& shape,
                                     const TensorOptions& options) {
  return create(values, shape, options);
}

at::Tensor TorchUtils::create_tensor(std::span<const int16_t> values, const std::vector<int64_t>& shape,
                                     const TensorOptions& options) {
  return create(values, shape, options);
}

at::Tensor TorchUtils::create_tensor(std::span<const int8_t> values, const std::vector<int64_t>& shape,
                                     const TensorOptions& options) {
  return create(values, shape, options);
}

at::Tensor TorchUtils::create_tensor(std::span<const uint8_t> values, const std::vector<int64_t>& shape,
                                     const TensorOptions& options) {
  return create(values, shape, options);
}

at::Tensor TorchUtils::create_tensor(std::span<const bool> values, const std::vector<int64_t>& shape,
                                     const TensorOptions& options) {
  return create(values, shape, options);
}

at::Tensor TorchUtils::create_tensor(std::span<const at::Half> values, const std::vector<int64_t>& shape,
                                     const TensorOptions& options) {
  return create(values, shape, options);
}

at::Tensor TorchUtils::create_tensor(std::span<const at::BFloat16> values, const std::vector<int64_t>& shape,
                                     const TensorOptions& options) {
  return create(values, shape, options);
}

at::Tensor TorchUtils::to_device(const at::Tensor& tensor, const Device& device) {
  require(tensor.defined(), ErrorKind::invalid_argument, "[to_device] the tensor must be defined");
  return tensor.to(to_torch(device));
}

std::vector<double> TorchUtils::extract_tensor_data(const at::Tensor& tensor) {
  return elements<double>(tensor, "extract_tensor_data");
}

std::vector<int64_t> TorchUtils::extract_tensor_integers(const at::Tensor& tensor) {
  require(tensor.defined() && at::isIntegralType(tensor.scalar_type(), /*includeBool=*/true),
          ErrorKind::invalid_argument, "[extract_tensor_integers] the tensor must be of integers or booleans, got {}",
          tensor.defined() ? at::toString(tensor.scalar_type()) : "none");
  return elements<int64_t>(tensor, "extract_tensor_integers");
}

TensorMemory TorchUtils::calculate_tensor_memory(const at::Tensor& tensor) {
  if (!tensor.defined()) {
    return {};
  }
  return {tensor.numel() * static_cast<int64_t>(tensor.element_size()),
          tensor.has_storage() ? static_cast<int64_t>(tensor.storage().nbytes()) : 0};
}

}  // namespace dstorch
