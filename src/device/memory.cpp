#include "dstorch/memory.h"

#include <cmath>

#include "core/throw.h"
#include "core/torch_compat.h"
#include "device/cuda_allocator.h"
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

std::string format_bytes(int64_t bytes) {
  constexpr std::array<std::string_view, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (std::abs(value) >= 1023.95 && unit + 1 < units.size()) {  // 1024.0 would not be printed
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string to_string(const MemoryPlan& plan) {
  std::string text;
  for (std::size_t kind = 0; kind < kMemoryKinds; ++kind) {
    if (plan.kinds[kind] > 0) {
      auto name = std::string(to_string(static_cast<MemoryKind>(kind)));
      if (name == "kv_cache") {
        name = "KV cache";
      }
      text += fmt::format("{} {}, ", name, format_bytes(plan.kinds[kind]));
    }
  }
  text += fmt::format("together {} for {} x {} positions; available {}; ", format_bytes(plan.total), plan.batch,
                      plan.context, format_bytes(plan.available));
  text += plan.largest_context > 0 ? fmt::format("the largest context that fits is {}", plan.largest_context)
                                   : std::string("no context fits");
  return text;
}

MemoryUse memory_use(const Device& device) {
  device.require_available();
  if (count_memory(device)) {
    return MemoryAccount::process().use(device);
  }
  const auto memory = compat::device_memory(to_torch(device));
  require(memory.has_value(), ErrorKind::unsupported,
          "LibTorch {} does not tell what its allocator on {} holds; LibTorch's own allocator does from 2.2 on, every "
          "one from 2.10 on",
          TORCH_VERSION, device.to_string());
  MemoryUse use;
  use.device = device;
  use.total = {memory->allocated, memory->peak};
  return use;
}

bool count_memory(const Device& device) { return device.type != DeviceType::cuda || count_cuda_memory(); }

}  // namespace dstorch
