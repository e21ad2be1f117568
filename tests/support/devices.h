#pragma once

#include <torch/cuda.h>

#include <string>
#include <vector>

namespace dstorch {

/// What tests run on besides the CPU: webgl, which every machine that builds dstorch has, and cuda where there is a
/// GPU: before it, since LibTorch 2.x runs no backward passes on cuda once webgl has been used.
inline std::vector<std::string> accelerators() {
  std::vector<std::string> devices;
  if (torch::cuda::is_available()) {
    devices.emplace_back("cuda");
  }
  devices.emplace_back("webgl");
  return devices;
}

inline std::vector<std::string> all_devices() {
  auto devices = accelerators();
  devices.insert(devices.begin(), "cpu");
  return devices;
}

}  // namespace dstorch
