#include "device/webgl/backend.h"

#include "core/throw.h"
#include "core/torch_compat.h"

namespace dstorch::webgl {

void register_backend() {
  // Never destroyed: LibTorch's dispatcher may be gone first when the program ends.
  static const bool done = [] {
    c10::SetAllocator(kDeviceType, allocator());
    compat::name_private_device("webgl");
    auto* rest = new torch::Library(torch::Library::IMPL, "_", c10::DispatchKey::PrivateUse1, __FILE__, __LINE__);
    rest->fallback(torch::CppFunction::makeFromBoxedFunction<&counted_cpu_fallback>());
    auto* library = new torch::Library(torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse1, __FILE__, __LINE__);
    register_storage_ops(*library);
    register_arithmetic_ops(*library);
    register_reduction_ops(*library);
    register_matrix_ops(*library);
    register_index_ops(*library);
    return true;
  }();
  static_cast<void>(done);
}

void require_available() {
  Context::get();
  register_backend();
}

std::string why_unavailable() {
  try {
    require_available();
    return {};
  } catch (const LMError& e) {
    return e.what();
  }
}

Description describe() {
  require_available();
  return Context::get().description();
}

}  // namespace dstorch::webgl
