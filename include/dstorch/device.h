#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dstorch {

enum class DeviceType { cpu, cuda, webgl };

/// Where tensors live. Written and read as "cpu", "cuda", "cuda:N", "webgl".
struct Device {
  DeviceType type = DeviceType::cpu;
  /// Which of several; 0 unless said.
  int index = 0;

  /// What to compute on where nobody says: a cuda GPU, else a GPU behind webgl (never a driver that renders on the
  /// processor, as llvmpipe does: the CPU's own kernels are faster), else the CPU.
  static Device best();
  /// Throws LMError{invalid_argument} that lists the known spellings.
  static Device parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
  /// Throws LMError{unsupported} that says what is missing, unless tensors can be made on it.
  void require_available() const;

  friend bool operator==(const Device&, const Device&) = default;
};

struct DeviceInfo {
  Device device;
  bool usable = false;
  /// Why it is not usable, and what to do; empty when it is.
  std::string reason;
  /// The processor's or the GPU's; empty when it is not usable.
  std::string name;
  /// Bytes in all, and those that could be taken now; 0 where the device does not tell. webgl has no words for its
  /// memory: it shares the processor's, or the figure is only an upper bound.
  int64_t memory = 0;
  int64_t memory_available = 0;
};

/// cpu, every cuda device (or one that is not usable), webgl. Thread-safe; opens what it lists.
std::vector<DeviceInfo> list_devices();

/// Ops that webgl has no shader for and that ran on the CPU, by LibTorch's name, with their number of calls since the
/// program began or since the last `reset_device_fallbacks`. Thread-safe.
std::map<std::string, int64_t> device_fallbacks();
void reset_device_fallbacks();

}  // namespace dstorch
