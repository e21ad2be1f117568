#include "train/tensor_views.h"

#include <fmt/ranges.h>

#include <cstring>

#include "core/throw.h"
#include "device/torch_types.h"

namespace dstorch::training {
TensorView view_of(const at::Tensor& tensor) {
  TensorView view;
  view.dtype = from_torch(tensor.scalar_type());
  view.shape = tensor.sizes().vec();
  view.strides = tensor.strides().vec();
  view.storage = {static_cast<const std::byte*>(tensor.data_ptr()), tensor.nbytes()};
  return view;
}

DeferredTensor to_be_saved(std::string name, const at::Tensor& tensor, at::ScalarType type) {
  return {std::move(name), from_torch(type), tensor.sizes().vec(), [tensor = tensor.detach(), type](const auto& write) {
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
