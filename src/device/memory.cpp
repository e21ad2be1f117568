#include "dstorch/memory.h"

#include "core/throw.h"
#include "core/torch_compat.h"
#include "device/memory_account.h"
#include "device/torch_types.h"

namespace dstorch {

std::string_view to_string(MemoryKind kind) noexcept {
  switch (kind) {
    case MemoryKind::weights:
      return "weights";
    case MemoryKind::kv_cache:
      return "kv_cache";
    case MemoryKind::activations:
      return "activations";
    case MemoryKind::gradients:
      return "gradients";
    case MemoryKind::optimizer:
      return "optimizer";
    case MemoryKind::other:
      return "other";
  }
  return "unknown";
}

MemoryUse memory_use(const Device& device) {
  device.require_available();
  count_cpu_memory();
  auto use = MemoryAccount::process().use(device);
  if (device.type == DeviceType::cuda) {
    const auto memory = compat::device_memory(to_torch(device));
    require(memory.has_value(), ErrorKind::unsupported,
            "this LibTorch does not tell what its allocator on {} holds; 2.10 and later do", device.to_string());
    use.total = {memory->allocated, memory->peak};
  }
  return use;
}

}  // namespace dstorch
