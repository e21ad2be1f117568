#pragma once

#include <ATen/ATen.h>

namespace dstorch::ops {

/// True where a fused CPU kernel may stand in for the composed reference: no gradient is asked for, and every tensor
/// lies on the CPU. Each op adds its own demands on dtype and layout.
inline bool fast_path_allowed(const at::Tensor& x) {
  return !at::GradMode::is_enabled() && x.device().is_cpu() && x.scalar_type() == at::kFloat;
}

}  // namespace dstorch::ops
