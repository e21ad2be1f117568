// What a tensor needs to exist: allocation, views, resizing, copies.
#include <ATen/EmptyTensor.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>

#include "core/throw.h"
#include "device/webgl/backend.h"
#include "device/webgl/elementwise.h"

namespace dstorch::webgl {
namespace {

constexpr Expression kCopy{.name = "copy", .code = "a"};

c10::DispatchKeySet keys() { return c10::DispatchKeySet(c10::DispatchKey::PrivateUse1); }

at::Tensor empty_memory_format(at::IntArrayRef sizes, c10::optional<at::ScalarType> dtype, c10::optional<at::Layout>,
                               c10::optional<at::Device>, c10::optional<bool>,
                               c10::optional<at::MemoryFormat> memory_format) {
  return at::detail::empty_generic(sizes, allocator(), keys(), c10::dtype_or_default(dtype), memory_format);
}

at::Tensor empty_strided(at::IntArrayRef sizes, at::IntArrayRef strides, c10::optional<at::ScalarType> dtype,
                         c10::optional<at::Layout>, c10::optional<at::Device>, c10::optional<bool>) {
  return at::detail::empty_strided_generic(sizes, strides, allocator(), keys(), c10::dtype_or_default(dtype));
}

at::Tensor as_strided(const at::Tensor& self, at::IntArrayRef sizes, at::IntArrayRef strides,
                      c10::optional<int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, sizes, strides, offset);
}

at::Tensor view(const at::Tensor& self, at::IntArrayRef sizes) { return at::native::view(self, sizes); }

at::Tensor reshape_alias(const at::Tensor& self, at::IntArrayRef sizes, at::IntArrayRef strides) {
  return at::native::_reshape_alias(self, sizes, strides);
}

/// Like the CPU's: what fits the old storage stays there, else the old contents move to a new one.
const at::Tensor& resize_device(const at::Tensor& self, at::IntArrayRef sizes, c10::optional<at::MemoryFormat>) {
  auto* impl = self.unsafeGetTensorImpl();
  if (self.sizes() == sizes && self.is_contiguous()) {
    return self;
  }
  impl->set_sizes_contiguous(sizes);
  const auto needed =
      static_cast<std::size_t>(self.numel() + self.storage_offset()) * static_cast<std::size_t>(self.element_size());
  auto storage = self.storage();
  if (self.numel() > 0 && storage.nbytes() < needed) {
    auto data = allocator()->allocate(needed);
    if (storage.nbytes() > 0) {
      auto& context = Context::get();
      const Context::Scope scope(context);
      const auto& from = *static_cast<const Buffer*>(storage.data_ptr().get());
      context.copy(from, 0, *static_cast<const Buffer*>(data.get()), 0, static_cast<int64_t>(storage.nbytes()));
    }
    storage.set_data_ptr(std::move(data));
    storage.set_nbytes(needed);
  }
  return self;
}

int64_t byte_offset(const at::Tensor& tensor) {
  return tensor.storage_offset() * static_cast<int64_t>(tensor.element_size());
}

/// Elements as words of 32 bits, so that any dtype of whole words moves bit by bit.
View as_words(const at::Tensor& tensor) {
  auto view = view_of(tensor);
  const auto words = static_cast<int64_t>(tensor.element_size()) / 4;
  view.dtype = at::kInt;
  view.offset *= words;
  for (auto& stride : view.strides) {
    stride *= words;
  }
  view.sizes.push_back(words);
  view.strides.push_back(1);
  return view;
}

void copy_on_device(const at::Tensor& source, const at::Tensor& target) {
  if (source.scalar_type() == target.scalar_type()) {
    // GL refuses to copy between overlapping parts of one buffer.
    const bool apart = !source.storage().is_alias_of(target.storage());
    if (apart && source.is_contiguous() && target.is_contiguous()) {
      auto& context = Context::get();
      const Context::Scope scope(context);
      context.copy(buffer_of(source), byte_offset(source), buffer_of(target), byte_offset(target),
                   static_cast<int64_t>(target.nbytes()));
      return;
    }
    if (source.element_size() > 4) {
      elementwise(kCopy, as_words(target), {as_words(source)}, {});
      return;
    }
  }
  if (shader_takes(source) && shader_takes(target)) {
    elementwise(kCopy, target, {source});
    return;
  }
  count_fallback(fmt::format("aten::_copy_from ({} to {})", at::toString(source.scalar_type()),
                             at::toString(target.scalar_type())));
  copy_from(source.cpu().to(target.scalar_type()), target, false);
}

void copy_to_device(const at::Tensor& source, const at::Tensor& target) {
  const auto host = source.to(target.scalar_type()).contiguous();
  if (target.is_contiguous()) {
    Context::get().upload(buffer_of(target), byte_offset(target), host.data_ptr(), static_cast<int64_t>(host.nbytes()));
    return;
  }
  const auto dense = empty(target.sizes(), target.scalar_type());
  copy_to_device(host, dense);
  copy_on_device(dense, target);
}

void copy_to_host(const at::Tensor& source, const at::Tensor& target) {
  const auto dense = source.contiguous();
  const bool direct = target.is_contiguous() && target.scalar_type() == source.scalar_type();
  const auto host = direct ? target : at::empty(source.sizes(), source.options().device(at::kCPU));
  Context::get().download(buffer_of(dense), byte_offset(dense), host.data_ptr(), static_cast<int64_t>(host.nbytes()));
  if (!direct) {
    target.copy_(host);
  }
}

at::Tensor copy_from_and_resize(const at::Tensor& source, const at::Tensor& target) {
  resize_out(target, source.sizes());
  return copy_from(source, target, false);
}

at::Scalar local_scalar_dense(const at::Tensor& self) { return at::_local_scalar_dense(self.cpu()); }

at::Tensor& set_source_storage(at::Tensor& self, at::Storage storage, int64_t offset, at::IntArrayRef sizes,
                               at::IntArrayRef strides) {
  auto* impl = self.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(std::move(storage));
  impl->set_sizes_and_strides(sizes, strides, offset);
  return self;
}

at::Tensor& set_source_tensor(at::Tensor& self, const at::Tensor& source) {
  return set_source_storage(self, source.storage(), source.storage_offset(), source.sizes(), source.strides());
}

}  // namespace

void resize_out(const at::Tensor& out, at::IntArrayRef sizes) {
  if (out.sizes() != sizes) {
    resize_device(out, sizes, c10::nullopt);
  }
}

at::Tensor copy_from(const at::Tensor& source, const at::Tensor& target, bool) {
  if (target.numel() == 0) {
    return target;
  }
  const auto from = source.sizes() == target.sizes() ? source : source.expand(target.sizes());
  if (on_device(from) && on_device(target)) {
    copy_on_device(from, target);
  } else if (on_device(target)) {
    require(from.device().is_cpu(), ErrorKind::unsupported, "webgl: copy through the CPU: cannot copy from {}",
            from.device().str());
    copy_to_device(from, target);
  } else {
    require(target.device().is_cpu(), ErrorKind::unsupported, "webgl: copy through the CPU: cannot copy to {}",
            target.device().str());
    copy_to_host(from, target);
  }
  return target;
}

void register_storage_ops(torch::Library& library) {
  library.impl("empty.memory_format", TORCH_FN(empty_memory_format));
  library.impl("empty_strided", TORCH_FN(empty_strided));
  library.impl("as_strided", TORCH_FN(as_strided));
  library.impl("view", TORCH_FN(view));
  library.impl("_reshape_alias", TORCH_FN(reshape_alias));
  library.impl("resize_", TORCH_FN(resize_device));
  library.impl("_copy_from", TORCH_FN(copy_from));
  library.impl("_copy_from_and_resize", TORCH_FN(copy_from_and_resize));
  library.impl("_local_scalar_dense", TORCH_FN(local_scalar_dense));
  library.impl("set_.source_Storage_storage_offset", TORCH_FN(set_source_storage));
  library.impl("set_.source_Tensor", TORCH_FN(set_source_tensor));
}

}  // namespace dstorch::webgl
