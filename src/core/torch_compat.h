#pragma once

// What differs between the LibTorch versions dstorch builds on (1.13 of Debian 12 to today's 2.x). Nothing else has a
// version #if.

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/version.h>

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

/// Runs CPU ops in bfloat16 where autocast knows them, while it lives.
class CpuBfloat16Autocast {
 public:
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
  explicit CpuBfloat16Autocast(bool enabled) : previous_(at::autocast::is_autocast_enabled(at::kCPU)) {
    at::autocast::set_autocast_enabled(at::kCPU, enabled);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  }
  ~CpuBfloat16Autocast() {
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, previous_);
  }
#else
  explicit CpuBfloat16Autocast(bool enabled) : previous_(at::autocast::is_cpu_enabled()) {
    at::autocast::set_cpu_enabled(enabled);
    at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
  }
  ~CpuBfloat16Autocast() {
    at::autocast::clear_cache();
    at::autocast::set_cpu_enabled(previous_);
  }
#endif
  CpuBfloat16Autocast(const CpuBfloat16Autocast&) = delete;
  CpuBfloat16Autocast& operator=(const CpuBfloat16Autocast&) = delete;

 private:
  bool previous_;
};

}  // namespace dstorch::compat
