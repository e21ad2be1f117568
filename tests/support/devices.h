#pragma once

#include <torch/cuda.h>

#include <string>
#include <vector>

namespace dstorch {

/// What tests run on besides the CPU: webgl, which every machine that builds dstorch has, and cuda where there is a
/// GPU.
inline std::vector<std::string> accelerators() {
  std::vector<std::string> devices{"webgl"};
  if (torch::cuda::is_available()) {
    devices.emplace_back("cuda");
  }
  return devices;
}

inline std::vector<std::string> all_devices() {
  auto devices = accelerators();
  devices.insert(devices.begin(), "cpu");
  return devices;
}

}  // namespace dstorch
