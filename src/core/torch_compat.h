#pragma once

// What differs between the LibTorch versions dstorch builds on (1.13 of Debian 12 to today's 2.x). Nothing else has a
// version #if.

#include <torch/torch.h>
#include <torch/version.h>

namespace dstorch::compat {

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
