#include "device/webgl/backend.h"

#include <atomic>
#include <mutex>

#include "core/throw.h"
#include "core/torch_compat.h"

namespace dstorch::webgl {

void register_backend() {
  // Never destroyed, but kept in reach: LibTorch's dispatcher may be gone first when the program ends.
  struct Libraries {
    torch::Library rest{torch::Library::IMPL, "_", c10::DispatchKey::PrivateUse1, __FILE__, __LINE__};
    torch::Library aten{torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse1, __FILE__, __LINE__};
  };
  static std::atomic<const Libraries*> registered{nullptr};
  static std::once_flag once;
  std::call_once(once, [] {
    c10::SetAllocator(kDeviceType, allocator());
    compat::introduce_private_device("webgl");
    auto* const libraries = new Libraries();
    registered = libraries;
    libraries->rest.fallback(torch::CppFunction::makeFromBoxedFunction<&counted_cpu_fallback>());
    register_storage_ops(libraries->aten);
    register_arithmetic_ops(libraries->aten);
    register_reduction_ops(libraries->aten);
    register_matrix_ops(libraries->aten);
    register_index_ops(libraries->aten);
  });
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
