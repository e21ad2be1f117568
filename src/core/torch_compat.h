#pragma once

// What differs between the LibTorch versions dstorch builds on (1.13 of Debian 12 to today's 2.x). Nothing else has a
// version #if.

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <c10/core/Allocator.h>
#include <torch/version.h>
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 10)
#include <c10/core/CachingDeviceAllocator.h>
#endif
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 6)
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#endif

#include <cstdint>
#include <cstring>
#include <optional>
#include <sstream>
#include <string>
#include <type_traits>

namespace dstorch::compat {

/// The place of `parameter` in the map that `torch::optim::Optimizer::state()` returns; newer versions key it by
/// pointer, older ones by the pointer's text.
template <typename StateMap>
typename StateMap::key_type optimizer_state_key(const at::Tensor& parameter) {
  if constexpr (std::is_same_v<typename StateMap::key_type, std::string>) {
    std::ostringstream text;
    text << static_cast<const void*>(parameter.unsafeGetTensorImpl());
    return text.str();
  } else {
    return parameter.unsafeGetTensorImpl();
  }
}

/// Whether autocast is on for CPU ops of this thread.
inline bool cpu_autocast() {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
  return at::autocast::is_autocast_enabled(at::kCPU);
#else
  return at::autocast::is_cpu_enabled();
#endif
}

/// Runs CPU ops in bfloat16 where autocast knows them, while it lives. What was cast is not kept for the next who asks:
/// that cache is all threads' together, and a cast tensor is part of the graph of who made it.
class CpuBfloat16Autocast {
 public:
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
  explicit CpuBfloat16Autocast(bool enabled) : previous_(at::autocast::is_autocast_enabled(at::kCPU)) {
    at::autocast::set_autocast_enabled(at::kCPU, enabled);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::set_autocast_cache_enabled(false);
  }
  ~CpuBfloat16Autocast() {
    at::autocast::set_autocast_cache_enabled(cached_);
    at::autocast::set_autocast_enabled(at::kCPU, previous_);
  }
#else
  explicit CpuBfloat16Autocast(bool enabled) : previous_(at::autocast::is_cpu_enabled()) {
    at::autocast::set_cpu_enabled(enabled);
    at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
    at::autocast::set_autocast_cache_enabled(false);
  }
  ~CpuBfloat16Autocast() {
    at::autocast::set_autocast_cache_enabled(cached_);
    at::autocast::set_cpu_enabled(previous_);
  }
#endif
  CpuBfloat16Autocast(const CpuBfloat16Autocast&) = delete;
  CpuBfloat16Autocast& operator=(const CpuBfloat16Autocast&) = delete;

 private:
  bool previous_;
  bool cached_ = at::autocast::is_autocast_cache_enabled();
};

/// An allocator for LibTorch. Older versions ask for memory through a const function, newer ones through one that is
/// not, and want to be told how to copy: whichever the version has is overridden here.
// NOLINTBEGIN(modernize-use-override, readability-make-member-function-const): each is one in its version only.
class Allocator : public c10::Allocator {
 public:
  [[nodiscard]] virtual c10::DataPtr make(std::size_t bytes) const = 0;
  c10::DataPtr allocate(std::size_t bytes) const { return make(bytes); }
  c10::DataPtr allocate(std::size_t bytes) { return make(bytes); }
  void copy_data(void* to, const void* from, std::size_t bytes) const { std::memcpy(to, from, bytes); }
};
// NOLINTEND(modernize-use-override, readability-make-member-function-const)

/// Told of the blocks of LibTorch's allocators by threads that have it as their `PROFILER_STATE`. The counts that we do
/// not look at are signed in older versions.
class MemoryReporter : public c10::MemoryReportingInfoBase {
 public:
  /// `bytes` are below 0 for a block that is given back.
  virtual void report(void* block, int64_t bytes, c10::Device device) = 0;
#if TORCH_VERSION_MAJOR >= 2
  using Total = std::size_t;
#else
  using Total = int64_t;
#endif
  void reportMemoryUsage(void* block, int64_t bytes, Total /*allocated*/, Total /*reserved*/,
                         c10::Device device) override {
    report(block, bytes, device);
  }
  [[nodiscard]] bool memoryProfilingEnabled() const override { return true; }
};

/// What the allocator of a device other than the CPU says, in bytes.
struct DeviceMemory {
  int64_t allocated = 0;
  int64_t peak = 0;
  int64_t free = 0;
  int64_t total = 0;
};

/// None where this version has no words for it.
inline std::optional<DeviceMemory> device_memory([[maybe_unused]] at::Device device) {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 10)
  auto* const allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(device.type()));
  if (allocator == nullptr) {
    return std::nullopt;
  }
  const auto index = device.has_index() ? device.index() : c10::DeviceIndex{0};
  DeviceMemory memory;
  if (allocator->initialized()) {
    const auto stats = allocator->getDeviceStats(index);
    const auto& bytes = stats.allocated_bytes[0];  // all pools together
    memory.allocated = bytes.current;
    memory.peak = bytes.peak;
  }
  const auto [free, total] = allocator->getMemoryInfo(index);
  memory.free = static_cast<int64_t>(free);
  memory.total = static_cast<int64_t>(total);
  return memory;
#else
  return std::nullopt;
#endif
}

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 6)
/// One device, always there, of which autograd asks before it runs a backward pass. Its random numbers are the CPU's.
class PrivateDeviceHooks final : public at::PrivateUse1HooksInterface {
 public:
  // Newer versions ask these two; to 2.6 they are not known.
  // NOLINTBEGIN(modernize-use-override)
  bool isBuilt() const { return true; }
  bool isAvailable() const { return true; }
  // NOLINTEND(modernize-use-override)
  const at::Generator& getDefaultGenerator(c10::DeviceIndex /*index*/) const override {
    return at::detail::getDefaultCPUGenerator();
  }
  bool hasPrimaryContext(c10::DeviceIndex /*index*/) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  void setCurrentDevice(c10::DeviceIndex /*index*/) const override {}
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex /*index*/) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex /*index*/) const override { return 0; }
};
#endif

/// Tells LibTorch of the device PrivateUse1, once, what the version wants to know: how to print it, and that it is
/// there.
inline void introduce_private_device([[maybe_unused]] const char* name) {
#if TORCH_VERSION_MAJOR >= 2
  c10::register_privateuse1_backend(name);
#endif
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 6)
  static PrivateDeviceHooks hooks;
  at::RegisterPrivateUse1HooksInterface(&hooks);
#endif
}

}  // namespace dstorch::compat
