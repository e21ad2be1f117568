#include <torch/cuda.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "core/throw.h"
#include "device/machine_memory.h"
#include "device/webgl/webgl.h"
#include "dstorch/device.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;

/// What follows "KEY :" in a file of such lines; empty when there is none.
std::string value_of(const fs::path& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (line.starts_with(key) && colon != std::string::npos) {
      const auto start = line.find_first_not_of(" \t", colon + 1);
      return start == std::string::npos ? std::string() : line.substr(start);
    }
  }
  return {};
}

std::string processor_name() {
  const auto name = value_of("/proc/cpuinfo", "model name");
  const auto cores = std::max(1U, std::thread::hardware_concurrency());
  return fmt::format("{}, {} {}", name.empty() ? "processor" : name, cores, cores == 1 ? "thread" : "threads");
}

/// As NVIDIA's driver names it, where there is one alone: its order of several need not be CUDA's.
std::string cuda_name() {
  std::error_code none;
  std::string name;
  int count = 0;
  for (const auto& gpu : fs::directory_iterator("/proc/driver/nvidia/gpus", none)) {
    name = value_of(gpu.path() / "information", "Model");
    ++count;
  }
  return count == 1 && !name.empty() ? name : "NVIDIA GPU";
}

DeviceInfo look_at(const Device& device) {
  DeviceInfo info;
  info.device = device;
  try {
    device.require_available();
    info.name = device.type == DeviceType::cpu    ? processor_name()
                : device.type == DeviceType::cuda ? cuda_name()
                                                  : webgl::describe().renderer;
    const auto memory = machine_memory(device);
    info.memory = memory.total;
    info.memory_available = memory.available;
    info.usable = true;
  } catch (const LMError& e) {
    info.reason = e.what();
  }
  return info;
}

}  // namespace

Device Device::best() {
  constexpr Device cuda{DeviceType::cuda, 0};
  if (look_at(cuda).usable) {
    return cuda;
  }
  if (webgl::why_unavailable().empty() && !webgl::describe().software) {
    return {DeviceType::webgl, 0};
  }
  return {};
}

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> devices{look_at({DeviceType::cpu, 0})};
  const auto count = std::max<int>(1, static_cast<int>(torch::cuda::device_count()));
  for (int index = 0; index < count; ++index) {
    devices.push_back(look_at({DeviceType::cuda, index}));
  }
  devices.push_back(look_at({DeviceType::webgl, 0}));
  return devices;
}

std::map<std::string, int64_t> device_fallbacks() { return webgl::fallbacks(); }

void reset_device_fallbacks() { webgl::reset_fallbacks(); }

}  // namespace dstorch
