#include "train/tensor_views.h"

#include <fmt/ranges.h>

#include <cstring>

#include "core/throw.h"

namespace dstorch::training {
namespace {

DType dtype_of(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return DType::float32;
    case at::kBFloat16:
      return DType::bfloat16;
    case at::kHalf:
      return DType::float16;
    case at::kDouble:
      return DType::float64;
    default:
      fail(ErrorKind::internal, "cannot save tensors of type {}", c10::toString(type));
  }
}

}  // namespace

TensorView view_of(const at::Tensor& tensor) {
  TensorView view;
  view.dtype = dtype_of(tensor.scalar_type());
  view.shape = tensor.sizes().vec();
  view.strides = tensor.strides().vec();
  view.storage = {static_cast<const std::byte*>(tensor.data_ptr()), tensor.nbytes()};
  return view;
}

DeferredTensor to_be_saved(std::string name, const at::Tensor& tensor, at::ScalarType type) {
  return {std::move(name), dtype_of(type), tensor.sizes().vec(), [tensor = tensor.detach(), type](const auto& write) {
            const auto here = tensor.to(at::kCPU, type).contiguous();  // the tensor itself where it is so already
            write(view_of(here));
          }};
}

at::Tensor tensor_of(const TensorView& view, at::IntArrayRef shape) {
  require(view.dtype == DType::float32 && view.is_contiguous() && at::IntArrayRef(view.shape) == shape,
          ErrorKind::format, "{} must be float32 [{}], it is {} [{}]", view.name, fmt::join(shape, ", "),
          to_string(view.dtype), fmt::join(view.shape, ", "));
  auto tensor = at::empty(shape, at::kFloat);
  if (tensor.numel() > 0) {
    std::memcpy(tensor.data_ptr(), view.data(), view.bytes());
  }
  return tensor;
}

}  // namespace dstorch::training
